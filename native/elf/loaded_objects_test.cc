#include "elf/loaded_objects.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/own_mapping.h"
#include "elf/test_images.h"
#include "proc/maps.h"

namespace tidemark {
namespace {

const uint64_t kPage = PageSize();

const LoadedObject* Holding(const ObjectList& list, uint64_t address) {
  for (const LoadedObject& object : list.objects) {
    if (address >= object.start && address < object.end) return &object;
  }
  return nullptr;
}

uint64_t AddressOf(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

class ObjectsOfThisProcess : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(ListObjects(list_)); }
  std::string_view NameOf(const LoadedObject& object) const { return list_.names.At(object.name); }
  ObjectList list_;
};

TEST_F(ObjectsOfThisProcess, BeginWithTheExecutableUnderItsPath) {
  char path[4096] = {};
  ASSERT_GT(readlink("/proc/self/exe", path, sizeof path - 1), 0);
  EXPECT_EQ(NameOf(list_.objects[0]), path);
  EXPECT_EQ(list_.objects[0].kind, kExecutable);
  const uint64_t code = reinterpret_cast<uint64_t>(&AddressOf);
  EXPECT_EQ(Holding(list_, code), &list_.objects[0]);
  EXPECT_GE(code, list_.objects[0].text_start);
  EXPECT_LT(code, list_.objects[0].text_end);
  for (size_t i = 1; i < list_.objects.size(); i++) EXPECT_NE(list_.objects[i].kind, kExecutable);
}

TEST_F(ObjectsOfThisProcess, TellTheLoaderAndTheVdsoFromLibraries) {
  for (const LoadedObject& object : list_.objects) {
    const std::string_view name = NameOf(object);
    if (object.kind == kVdso || object.kind == kExecutable) continue;
    EXPECT_EQ(object.kind == kLoader, name.find("/ld-") != name.npos) << name;
  }
  const LoadedObject* loader = Holding(list_, getauxval(AT_BASE));
  ASSERT_NE(loader, nullptr);
  EXPECT_EQ(loader->kind, kLoader);
  const LoadedObject* vdso = Holding(list_, getauxval(AT_SYSINFO_EHDR));
  EXPECT_TRUE(vdso == nullptr || vdso->kind == kVdso);
  const LoadedObject* libc = Holding(list_, AddressOf(dlsym(RTLD_NEXT, "getenv")));
  ASSERT_NE(libc, nullptr);
  EXPECT_EQ(libc->kind, kLibrary);
}

TEST_F(ObjectsOfThisProcess, HaveTheirTablesWithinThem) {
  for (const LoadedObject& object : list_.objects) {
    SCOPED_TRACE(NameOf(object));
    const auto within = [&](const void* table, uint64_t bytes) {
      return AddressOf(table) >= object.start && AddressOf(table) + bytes <= object.end;
    };
    EXPECT_LE(object.start, object.text_start);
    EXPECT_LT(object.text_start, object.text_end);
    EXPECT_TRUE(within(object.symbols, object.symbol_limit * sizeof(Elf64_Sym)));
    EXPECT_TRUE(within(object.strings, object.strings_size));
    EXPECT_NE(object.eh_frame_hdr, 0u);
    EXPECT_EQ(object.eh_frame_hdr == 0 ? 1 : *reinterpret_cast<const uint8_t*>(object.eh_frame_hdr), 1);  // its version
    EXPECT_TRUE(object.kind != kLibrary || object.relocation_count > 0);
  }
}

TEST_F(ObjectsOfThisProcess, AreReadOnlyWhereRelroIs) {
  MapsTable maps;
  ASSERT_FALSE(ReadMaps(0, maps));
  size_t checked = 0;
  for (const LoadedObject& object : list_.objects) {
    if (object.relro_start == 0) continue;
    for (const MapsRow& row : maps.rows) {
      const bool inside = row.start >= object.relro_start && row.end <= object.relro_end;
      const bool apart = row.end <= object.relro_start || row.start >= object.relro_end;
      EXPECT_TRUE(inside || apart) << NameOf(object);
      if (!inside) continue;
      EXPECT_EQ(row.perms & (kRead | kWrite | kExecute), kRead) << NameOf(object);
      checked += row.end - row.start;
    }
  }
  EXPECT_GT(checked, 0u);
}

TEST_F(ObjectsOfThisProcess, AreListedAnewWhenOneWasLoadedOrUnloaded) {
  EXPECT_EQ(list_.changes, ObjectChanges());
  void* library = nullptr;
  for (const char* name : {"libBrokenLocale.so.1", "libanl.so.1", "libutil.so.1", "libz.so.1"}) {
    if (dlopen(name, RTLD_LAZY | RTLD_NOLOAD) == nullptr) library = dlopen(name, RTLD_LAZY);
    if (library != nullptr) break;
  }
  if (library == nullptr) GTEST_SKIP() << "no library to load";
  EXPECT_GT(ObjectChanges(), list_.changes);
  const size_t before = list_.objects.size();
  ASSERT_TRUE(ListObjects(list_));
  EXPECT_GT(list_.objects.size(), before);
  EXPECT_EQ(list_.changes, ObjectChanges());
  dlclose(library);
  EXPECT_NE(ObjectChanges(), list_.changes);
}

TEST(DescribeObject, ReadsWhatTheLoaderLeft) {
  images::Loaded image;
  image.AddRelocation(1, 1, images::Loaded::kGot);
  image.AddPltRelocation(1, 1, images::Loaded::kGot);
  image.AddPltRelocation(1, 1, images::Loaded::kGot + 8);
  const LoadedObject object = image.Describe();
  EXPECT_EQ(object.bias, image.bias());
  EXPECT_EQ(object.start, image.bias());
  EXPECT_EQ(object.end, image.bias() + 3 * kPage);
  EXPECT_EQ(object.text_start, image.bias() + kPage);
  EXPECT_EQ(object.text_end, image.bias() + 2 * kPage);
  EXPECT_EQ(object.eh_frame_hdr, image.bias() + 0xf00);
  EXPECT_EQ(object.symbols, image.symbols());
  EXPECT_EQ(object.symbol_limit, kPage / sizeof(Elf64_Sym));
  EXPECT_EQ(object.strings, image.strings());
  EXPECT_EQ(object.relocations, image.relocations());
  EXPECT_EQ(object.relocation_count, 1u);
  EXPECT_EQ(object.plt_relocations, image.plt_relocations());
  EXPECT_EQ(object.plt_relocation_count, 2u);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(object.build_id), object.build_id_size),
            "0123456789abcdefghij");
}

// As on musl, and in the vdso.
TEST(DescribeObject, ReadsADynamicSectionThatTheLoaderLeftAsItIsInTheFile) {
  images::Loaded image;
  image.AddRelocation(1, 1, images::Loaded::kGot);
  image.AddPltRelocation(1, 1, images::Loaded::kGot);
  image.Set(DT_SYMTAB, 0);
  image.Set(DT_STRTAB, 0x100);
  image.Set(DT_RELA, 0x200);
  image.Set(DT_JMPREL, 0x600);
  const LoadedObject object = image.Describe();
  EXPECT_EQ(object.symbols, image.symbols());
  EXPECT_EQ(object.strings, image.strings());
  EXPECT_EQ(object.relocations, image.relocations());
  EXPECT_EQ(object.plt_relocations, image.plt_relocations());
}

TEST(DescribeObject, RoundsRelroDownAtBothEndsAsTheLoaderDoes) {
  const auto relro = [](uint64_t address, uint64_t size) {
    images::Loaded image;
    image.headers[4].p_vaddr = address;
    image.headers[4].p_memsz = size;
    const LoadedObject object = image.Describe();
    if (object.relro_end == 0) return std::pair<uint64_t, uint64_t>(0, 0);
    return std::pair(object.relro_start - object.bias, object.relro_end - object.bias);
  };
  const std::pair<uint64_t, uint64_t> none(0, 0);
  const std::pair<uint64_t, uint64_t> page(2 * kPage, 3 * kPage);
  EXPECT_EQ(relro(2 * kPage, kPage), page);
  EXPECT_EQ(relro(2 * kPage + 0x700, kPage - 0x700), page);
  EXPECT_EQ(relro(2 * kPage + 0x700, kPage - 0x708), none);
  EXPECT_EQ(relro(2 * kPage, kPage + 1), none) << "it reaches out of the segment";
  EXPECT_EQ(relro(2 * kPage, UINT64_MAX), none);
  EXPECT_EQ(relro(5 * kPage, kPage), none);
}

TEST(DescribeObject, HasNullsForWhatLiesOutside) {
  const auto described = [](auto change) {
    images::Loaded image;
    image.AddRelocation(1, 1, images::Loaded::kGot);
    image.AddPltRelocation(1, 1, images::Loaded::kGot);
    change(image);
    return image.Describe();
  };
  const auto no_symbols = [&](auto change) {
    const LoadedObject object = described(change);
    return object.symbols == nullptr && object.strings == nullptr && object.symbol_limit == 0 &&
           object.strings_size == 0 && object.relocation_count == 0 && object.plt_relocation_count == 0;
  };
  using Image = images::Loaded;
  EXPECT_FALSE(no_symbols([](Image&) {}));
  EXPECT_TRUE(no_symbols([](Image& image) { image.Set(DT_SYMTAB, image.bias() + 3 * kPage); }));
  EXPECT_TRUE(no_symbols([](Image& image) { image.Set(DT_SYMTAB, image.bias() + kPage - 8); })) << "less than one";
  EXPECT_TRUE(no_symbols([](Image& image) { image.Set(DT_SYMTAB, image.bias() + 4); })) << "not aligned";
  EXPECT_TRUE(no_symbols([](Image& image) { image.Set(DT_SYMENT, 16); }));
  EXPECT_TRUE(no_symbols([](Image& image) { image.Set(DT_STRTAB, UINT64_MAX - 8); }));
  EXPECT_TRUE(no_symbols([](Image& image) { image.Set(DT_STRSZ, UINT64_MAX); }));
  EXPECT_TRUE(no_symbols([](Image& image) { image.Set(DT_STRSZ, 0); }));
  EXPECT_TRUE(no_symbols([](Image& image) { image.Set(DT_STRSZ, 5); })) << "does not end with a NUL";
  EXPECT_TRUE(no_symbols([](Image& image) { image.headers[3].p_memsz = 2 * kPage; })) << "dynamic section";
  EXPECT_TRUE(no_symbols([](Image& image) { image.headers[0].p_flags = 0; })) << "not readable";
  EXPECT_TRUE(no_symbols([](Image& image) { image.headers[0].p_memsz = UINT64_MAX; })) << "wraps around";

  const auto relocations = [&](auto change) { return described(change).relocation_count; };
  EXPECT_EQ(relocations([](Image&) {}), 1u);
  EXPECT_EQ(relocations([](Image& image) { image.Set(DT_RELASZ, 2 * kPage); }), 0u);
  EXPECT_EQ(relocations([](Image& image) { image.Set(DT_RELAENT, 16); }), 0u);
  EXPECT_EQ(relocations([](Image& image) { image.Set(DT_RELA, image.bias() + 0x204); }), 0u);

  const auto plt_relocations = [&](auto change) { return described(change).plt_relocation_count; };
  EXPECT_EQ(plt_relocations([](Image&) {}), 1u);
  EXPECT_EQ(plt_relocations([](Image& image) { image.Set(DT_PLTRELSZ, 2 * kPage); }), 0u);
  EXPECT_EQ(plt_relocations([](Image& image) { image.Set(DT_PLTREL, DT_REL); }), 0u);

  EXPECT_EQ(described([](Image& image) { image.headers[5].p_memsz = kPage; }).eh_frame_hdr, 0u);
  EXPECT_EQ(described([](Image& image) { image.headers[5].p_vaddr = 3 * kPage; }).eh_frame_hdr, 0u);
  EXPECT_EQ(described([](Image& image) { image.headers[6].p_memsz = kPage; }).build_id_size, 0);
}

TEST(DescribeObject, LeavesOutASegmentThatWrapsAround) {
  images::Loaded image;
  image.headers[0].p_memsz = UINT64_MAX;
  const LoadedObject object = image.Describe();
  EXPECT_EQ(object.start, image.bias() + kPage);
  EXPECT_EQ(object.end, image.bias() + 3 * kPage);
}

TEST(DescribeObject, HasNothingWithoutLoadSegments) {
  images::Loaded image;
  for (Elf64_Phdr& header : image.headers) {
    if (header.p_type == PT_LOAD) header.p_type = PT_NULL;
  }
  const LoadedObject object = image.Describe();
  EXPECT_EQ(object.start, 0u);
  EXPECT_EQ(object.end, 0u);
  EXPECT_EQ(object.text_end, 0u);
  EXPECT_EQ(object.symbols, nullptr);
  EXPECT_EQ(object.build_id_size, 0);
}

TEST(DescribeObject, CountsRelocationsOfThePltOnce) {
  images::Loaded image;
  for (int i = 0; i < 5; i++) image.AddRelocation(1, 1, images::Loaded::kGot);
  // The last two are the PLT's.
  image.Set(DT_JMPREL, image.bias() + 0x200 + 3 * sizeof(Elf64_Rela));
  image.Set(DT_PLTRELSZ, 2 * sizeof(Elf64_Rela));
  LoadedObject object = image.Describe();
  EXPECT_EQ(object.relocation_count, 3u);
  EXPECT_EQ(object.plt_relocation_count, 2u);

  image.Set(DT_JMPREL, image.bias() + 0x200);
  image.Set(DT_PLTRELSZ, 5 * sizeof(Elf64_Rela));
  object = image.Describe();
  EXPECT_EQ(object.relocation_count, 0u);
  EXPECT_EQ(object.plt_relocation_count, 5u);
}

}  // namespace
}  // namespace tidemark
