// The rules on layouts made by hand, one test a rule, and on recorded processes whose contents are known.
//
// test/fixtures/smaps/node*.txt are Node 20.20, 22.23, 24.21 and 26.10 on Linux 6.18, x86-64, glibc 2.36, each with: a
// wasm memory of 64 MiB (32 touched) and a shared one of 16 (8 touched); a resizable ArrayBuffer of 24 MiB in 96 (20
// touched); a growable SharedArrayBuffer of 16 MiB in 48 (12 touched); ten Buffers of 4 MiB (5 touched); 200 optimized
// functions; one worker; four pool threads that have allocated. python3.txt has four threads with 4 MB of objects each,
// a private and a shared anonymous mmap of 8 and 4 MiB and a bytearray of 16 MiB.

#include "ledger/owners.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "proc/maps.h"
#include "proc/smaps_reference.h"

namespace tidemark {

// How a failed comparison prints it.
void PrintTo(Owner owner, std::ostream* out) {
  static const char* const names[] = {"js-heap",     "js-code",       "array-buffers", "wasm",    "malloc",
                                      "malloc-free", "thread-stacks", "mmap",          "program", "file",
                                      "shmem",       "profiler",      "unexplained"};
  *out << names[static_cast<size_t>(owner)];
}

namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;
constexpr uint32_t kRw = kRead | kWrite;
constexpr uint64_t kHigh = 0x7f0000000000;

std::vector<Owner> Assign(const std::vector<MappingFacts>& facts, const std::vector<AddressRange>& own = {}) {
  std::vector<Owner> owners(facts.size(), Owner::kCount);
  AssignOwners(facts.data(), facts.size(), {own.data(), own.size()}, owners.data());
  return owners;
}

// Mappings one behind the other, from `at` on.
class Space {
 public:
  explicit Space(uint64_t at) : at_(at) {}

  Space& Gap(uint64_t bytes) {
    at_ += bytes;
    return *this;
  }
  Space& To(uint64_t address) {
    at_ = address;
    return *this;
  }
  Space& Anonymous(uint64_t bytes, uint32_t perms = kRw, std::string_view flags = "", bool malloc_chunk = false) {
    return Add({at_, at_ + bytes, 0, perms, "", flags, malloc_chunk});
  }
  Space& Reserve(uint64_t bytes, std::string_view flags = "") { return Anonymous(bytes, 0, flags); }
  Space& Named(uint64_t bytes, uint32_t perms, std::string_view name, uint64_t inode = 0) {
    return Add({at_, at_ + bytes, inode, perms, name, "", false});
  }
  Space& Node() { return Named(40 * kMiB, kRead | kExecute, "/usr/local/bin/node", 11); }

  // Of the mapping added last.
  Owner Last() const { return Assign(facts_).back(); }
  Owner At(size_t i) const { return Assign(facts_)[i]; }
  Owner BeforeLast() const { return Assign(facts_)[facts_.size() - 2]; }
  const std::vector<MappingFacts>& facts() const { return facts_; }

 private:
  Space& Add(MappingFacts facts) {
    facts_.push_back(facts);
    at_ = facts.end;
    return *this;
  }

  uint64_t at_;
  std::vector<MappingFacts> facts_;
};

TEST(AssignOwners, OurOwnRangesAreTheProfilersWhateverTheyLookLike) {
  const auto facts = Space(kHigh).Reserve(4 * kKiB).Anonymous(64 * kKiB, kRw, "", true).Reserve(4 * kKiB).facts();
  const uint64_t start = kHigh + 4 * kKiB;
  EXPECT_EQ(Assign(facts, {{start, start + 64 * kKiB}})[1], Owner::kProfiler);
  EXPECT_EQ(Assign(facts, {{start, start + 60 * kKiB}})[1], Owner::kMalloc) << "only what lies inside a range is ours";
  EXPECT_EQ(Assign(facts)[1], Owner::kMalloc);
}

TEST(AssignOwners, NamesOfTheKernelDecide) {
  EXPECT_EQ(Space(kHigh).Named(132 * kKiB, kRw, "[stack]").Last(), Owner::kThreadStacks);
  EXPECT_EQ(Space(kHigh).Named(132 * kKiB, kRw, "[stack:4242]").Last(), Owner::kThreadStacks);
  EXPECT_EQ(Space(kHigh).Named(8 * kKiB, kRead | kExecute, "[vdso]").Last(), Owner::kFile);
  EXPECT_EQ(Space(kHigh).Named(16 * kKiB, kRead, "[vvar]").Last(), Owner::kFile);
  EXPECT_EQ(Space(0xffffffffff600000).Named(4 * kKiB, kExecute, "[vsyscall]").Last(), Owner::kFile);
  EXPECT_EQ(Space(0x1000000).Named(2 * kMiB, kRw, "[heap]").Last(), Owner::kMalloc);
}

TEST(AssignOwners, FilesAreTheProgramsAndSharedOnesFile) {
  EXPECT_EQ(Space(kHigh).Named(kMiB, kRw, "/lib/libc.so.6", 7).Last(), Owner::kProgram);
  EXPECT_EQ(Space(kHigh).Named(kMiB, kRw | kShared, "/data/data.mdb", 7).Last(), Owner::kFile);
  EXPECT_EQ(Space(kHigh).Named(16 * kKiB, kRw | kShared, "anon_inode:[io_uring]", 7).Last(), Owner::kFile);
}

TEST(AssignOwners, SharedMemoryIsShmemByItsNameOrForWantOfOne) {
  for (const char* name : {"/memfd:pixels (deleted)", "/dev/shm/x", "/SYSV00000000 (deleted)", "/dev/zero (deleted)"}) {
    EXPECT_EQ(Space(kHigh).Named(kMiB, kRw | kShared, name, 7).Last(), Owner::kShmem) << name;
    EXPECT_EQ(Space(kHigh).Named(kMiB, kRw, name, 7).Last(), Owner::kShmem) << name;
  }
  EXPECT_EQ(Space(kHigh).Anonymous(kMiB, kRw | kShared).Last(), Owner::kShmem);
}

TEST(AssignOwners, BelowV8sHintsIsTheJsHeapInAProcessWithV8Only) {
  constexpr uint64_t kPage = 0x1a2b3c40000;
  EXPECT_EQ(Space(0x400000).Node().To(kPage).Anonymous(256 * kKiB).Last(), Owner::kJsHeap);
  EXPECT_NE(Space(0x400000).To(kPage).Anonymous(256 * kKiB).Last(), Owner::kJsHeap);
  for (const char* name : {"/usr/bin/node (deleted)", "/usr/bin/nodejs", "/opt/electron", "/usr/lib/libnode.so.115"}) {
    EXPECT_EQ(Space(0x400000).Named(kMiB, kRead, name, 5).To(kPage).Anonymous(256 * kKiB).Last(), Owner::kJsHeap)
        << name;
  }
  for (const char* name : {"/usr/bin/nodemon", "/srv/node/python3", "node.log"}) {
    EXPECT_NE(Space(0x400000).Named(kMiB, kRead, name, 5).To(kPage).Anonymous(256 * kKiB).Last(), Owner::kJsHeap)
        << name;
  }
}

TEST(AssignOwners, TheBrkHeapAndTheBssBelowItAreNotV8s) {
  Space space(0x400000);
  space.Node().Named(124 * kKiB, kRw, "/usr/local/bin/node", 11).Anonymous(176 * kKiB);
  EXPECT_EQ(Space(space).To(0x1740f000).Named(3 * kMiB, kRw, "[heap]").At(2), Owner::kProgram);
  EXPECT_EQ(Space(space).To(0x1740f000).Named(3 * kMiB, kRw, "[heap]").Last(), Owner::kMalloc);
}

// A position-independent Node has its program and brk heap at 0x55…, above every address that V8 asks for.
TEST(AssignOwners, TheJsHeapOfAPositionIndependentNodeIsFound) {
  Space space(0x1a2b3c40000);
  space.Anonymous(256 * kKiB).To(0x555555554000).Node().To(0x555557000000).Named(kMiB, kRw, "[heap]");
  EXPECT_EQ(space.At(0), Owner::kJsHeap);
  EXPECT_EQ(space.Last(), Owner::kMalloc);
}

TEST(AssignOwners, AWasmMemoryLiesBetweenTwoReservesOrBeforeAVeryLargeOne) {
  const auto space = [](uint64_t before, uint64_t behind) {
    Space s(kHigh);
    return s.Node().Gap(kMiB).Reserve(before).Anonymous(16 * kMiB).Reserve(behind).BeforeLast();
  };
  EXPECT_EQ(space(2 * kGiB, 8 * kGiB - 16 * kMiB), Owner::kWasm);  // Node 20 and 22
  EXPECT_EQ(space(4 * kKiB, 8 * kGiB - 16 * kMiB), Owner::kWasm);  // Node 24's lowest one
  EXPECT_EQ(space(2 * kGiB, 2 * kGiB), Owner::kWasm);
  EXPECT_EQ(space(2 * kGiB, 32 * kMiB), Owner::kArrayBuffers) << "a growable buffer behind a wasm memory's reserve";
}

// In Node 20 the reserves of a wasm memory touched the code range and 80 MiB of it went to js-code.
TEST(AssignOwners, WasmIsLookedForBeforeTheCodeRange) {
  Space s(kHigh);
  s.Node().Gap(kMiB).Anonymous(240 * kKiB, kRw | kExecute, "rd wr ex dc nr").Anonymous(16 * kMiB, kRw, "rd wr dc nr");
  s.Reserve(8 * kGiB, "dc nr");
  EXPECT_EQ(s.BeforeLast(), Owner::kWasm);
  EXPECT_EQ(s.At(1), Owner::kJsCode);
}

TEST(AssignOwners, ExecutableAnonymousMemoryIsJsCodeAndWhatTouchesItIfItIsV8s) {
  Space s(kHigh);
  s.Node().Gap(kMiB).Anonymous(8 * kKiB, kRw, "rd wr dc nr").Anonymous(240 * kKiB, kRw | kExecute, "rd wr ex dc nr");
  s.Anonymous(64 * kKiB, kRw, "rd wr dc nr").Reserve(512 * kMiB, "dc nr");
  EXPECT_EQ(s.At(1), Owner::kJsCode);
  EXPECT_EQ(s.At(2), Owner::kJsCode);
  EXPECT_EQ(s.At(3), Owner::kJsCode);
}

// Node 24's code ranges have an arena on one side and a stack on the other.
TEST(AssignOwners, AnArenaOrAStackOrABlockThatTouchesTheCodeRangeIsNotCode) {
  constexpr uint64_t kAligned = 0x7f0040000000;
  constexpr uint64_t kStack = 8 * kMiB;
  Space s(kAligned - kStack - 4 * kKiB);
  s.Reserve(4 * kKiB).Anonymous(kStack).Anonymous(512 * kMiB, kRw | kExecute);
  s.Anonymous(2260 * kKiB).Reserve(64 * kMiB - 2260 * kKiB).Gap(kMiB).Node();
  EXPECT_EQ(s.At(1), Owner::kThreadStacks);
  EXPECT_EQ(s.At(2), Owner::kJsCode);
  EXPECT_EQ(s.At(3), Owner::kMalloc);
  EXPECT_EQ(Space(kHigh).Node().Gap(kMiB).Anonymous(kMiB, kRw, "", true).Anonymous(kMiB, kRw | kExecute).At(1),
            Owner::kMalloc);
}

TEST(AssignOwners, ABlockOfMallocBetweenTheReservesOfTwoWasmMemoriesIsMalloc) {
  Space s(kHigh);
  s.Node().Gap(kMiB).Reserve(8 * kGiB).Anonymous(100 * kMiB, kRw, "", true).Reserve(2 * kGiB);
  EXPECT_EQ(s.BeforeLast(), Owner::kMalloc);
}

TEST(AssignOwners, AResizableBufferEndsInTheReserveItMayGrowInto) {
  Space s(kHigh + 0x2000000);
  s.Anonymous(24 * kMiB).Reserve(72 * kMiB).Gap(kMiB).Node();
  EXPECT_EQ(s.At(0), Owner::kArrayBuffers);
  Space with_flags(kHigh + 0x2000000);
  with_flags.Anonymous(24 * kMiB, kRw, "rd wr dc nr").Reserve(72 * kMiB, "dc nr").Gap(kMiB).Node();
  EXPECT_EQ(with_flags.At(0), Owner::kArrayBuffers);
}

// An executable mapping may be aligned like an arena.
TEST(AssignOwners, AnAlignedCodeRangeIsCode) {
  Space s(0x7f0040000000);
  s.Anonymous(512 * kMiB, kRw | kExecute).Gap(kMiB).Node();
  EXPECT_EQ(s.At(0), Owner::kJsCode);
}

TEST(AssignOwners, V8sTableOfFunctionsIsNoResizableBuffer) {
  Space s(kHigh);
  s.Node().Gap(kMiB).Anonymous(64 * kKiB, kRead).Anonymous(256 * kKiB).Reserve(256 * kMiB - 320 * kKiB);
  EXPECT_EQ(s.BeforeLast(), Owner::kJsHeap);
}

TEST(AssignOwners, WhatV8MarksIsV8sAndNothingElseIs) {
  Space s(kHigh);
  s.Node().Gap(kMiB).Anonymous(128 * kKiB, kRw, "rd wr mr mw me dc nr").Gap(kMiB);
  EXPECT_EQ(s.Last(), Owner::kJsHeap);
  // At an address of V8's, but without its mark.
  EXPECT_EQ(Space(0x400000).Node().To(0x1a2b3c40000).Anonymous(kMiB, kRw, "rd wr mr mw me ac", true).Last(),
            Owner::kMalloc);
}

TEST(AssignOwners, AnArenaIsAlignedTo64MiBAndReservedToItsEnd) {
  constexpr uint64_t kAligned = 0x7f0040000000;
  EXPECT_EQ(Space(kAligned).Anonymous(132 * kKiB).Reserve(64 * kMiB - 132 * kKiB).At(0), Owner::kMalloc);
  EXPECT_EQ(Space(kAligned).Anonymous(64 * kMiB).At(0), Owner::kMalloc) << "a full one";
  EXPECT_EQ(Space(kAligned).Anonymous(64 * kMiB + kMiB).Reserve(63 * kMiB).At(0), Owner::kMalloc) << "two that merged";
  EXPECT_EQ(Space(kAligned).Anonymous(8192 * kGiB).At(0), Owner::kMmap) << "a reserve by whoever touches little of it";
  EXPECT_EQ(Space(kAligned).Anonymous(132 * kKiB).Reserve(kMiB).At(0), Owner::kMmap);
  EXPECT_EQ(Space(kAligned + kMiB).Anonymous(132 * kKiB).Reserve(63 * kMiB - 132 * kKiB).At(0), Owner::kMmap);
}

// Inaccessible mappings merge: a guard page of ours behind the last heap of an arena hid all of it.
TEST(AssignOwners, AnArenaIsFoundWithAGuardPageMergedIntoItsReserve) {
  constexpr uint64_t kAligned = 0x7f0040000000;
  EXPECT_EQ(Space(kAligned).Anonymous(30 * kMiB).Reserve(34 * kMiB + 4 * kKiB).At(0), Owner::kMalloc);
}

TEST(AssignOwners, AThreadStackIsMarkedByTheKernelOrHasAGuardAndACommonSize) {
  EXPECT_EQ(Space(kHigh).Anonymous(3 * kMiB, kRw, "rd wr mr mw me ac nh").Last(), Owner::kThreadStacks);
  for (const uint64_t size : {8 * kMiB, 4 * kMiB, 32 * kKiB}) {
    EXPECT_EQ(Space(kHigh).Reserve(4 * kKiB).Anonymous(size).Last(), Owner::kThreadStacks);
    EXPECT_EQ(Space(kHigh).Anonymous(size).Last(), Owner::kMmap) << "no guard";
    EXPECT_EQ(Space(kHigh).Reserve(2 * kMiB).Anonymous(size).Last(), Owner::kMmap) << "a reserve is no guard";
  }
  // A guard alone had false hits of up to 140 MiB.
  EXPECT_EQ(Space(kHigh).Reserve(4 * kKiB).Anonymous(140 * kMiB, kRw, "", true).Last(), Owner::kMalloc);
}

TEST(AssignOwners, AStackOfAnySizeIsKnownByTheStackPointerInIt) {
  const std::vector<MappingFacts> facts =
      Space(kHigh).Reserve(4 * kKiB).Anonymous(2 * kMiB).Gap(kMiB).Anonymous(2 * kMiB).facts();
  const uint64_t pointers[] = {facts[1].end - 5000, facts[2].end - 5000};
  const OwnerRules rules = {nullptr, 0, pointers, 2};
  EXPECT_TRUE(WantsStackPointers(facts.data(), facts.size(), {nullptr, 0}));
  Owner owners[3];
  AssignOwners(facts.data(), facts.size(), rules, owners);
  EXPECT_EQ(owners[1], Owner::kThreadStacks);
  EXPECT_EQ(owners[2], Owner::kMmap) << "no guard: a coroutine's, or a signal stack";

  const std::vector<MappingFacts> common = Space(kHigh).Reserve(4 * kKiB).Anonymous(8 * kMiB).facts();
  EXPECT_FALSE(WantsStackPointers(common.data(), common.size(), {nullptr, 0}));
}

TEST(AssignOwners, StacksOneBehindTheOtherAreNoResizableBuffers) {
  Space s(kHigh);
  s.Node().Gap(kMiB);
  for (int i = 0; i < 4; i++) s.Reserve(4 * kKiB).Anonymous(8 * kMiB);
  for (size_t i = 2; i <= 8; i += 2) EXPECT_EQ(s.At(i), Owner::kThreadStacks) << i;
}

TEST(AssignOwners, ASmallBssBehindWritableDataIsTheProgramsAndALargeOneIsNot) {
  const auto bss = [](uint64_t size, uint32_t perms_of_data) {
    return Space(kHigh).Named(8 * kKiB, perms_of_data, "/lib/libc.so.6", 7).Anonymous(size, kRw, "", true).Last();
  };
  EXPECT_EQ(bss(52 * kKiB, kRw), Owner::kProgram);
  EXPECT_EQ(bss(28 * kMiB, kRw), Owner::kMalloc) << "mallocs merge behind a .bss";
  EXPECT_EQ(bss(52 * kKiB, kRead), Owner::kMalloc);
}

// What jemalloc maps touched the code range of Node 24, and the reserve of a table below it that was empty yet.
TEST(AssignOwners, WhatTouchesV8sMemoryAndIsNeitherCodeNorABufferIsNotV8s) {
  Space code(kHigh);
  code.Node().Gap(kMiB).Anonymous(19 * kMiB).Anonymous(510 * kMiB, kRw | kExecute);
  EXPECT_EQ(code.BeforeLast(), Owner::kMmap);
  EXPECT_EQ(code.Last(), Owner::kJsCode);

  Space table(kHigh);
  table.Node().Gap(kMiB).Anonymous(2560 * kKiB).Reserve(128 * kMiB).Anonymous(64 * kKiB, kRead);
  EXPECT_EQ(table.At(1), Owner::kMmap);
  Space buffer(kHigh);
  buffer.Node().Gap(kMiB).Anonymous(2560 * kKiB).Reserve(128 * kMiB);
  EXPECT_EQ(buffer.At(1), Owner::kArrayBuffers);
}

TEST(AssignOwners, V8IsKnownByTheNameOfItsProgramWithOrWithoutAVersion) {
  const auto heap = [](std::string_view program) {
    return Space(0x400000).Named(40 * kMiB, kRead | kExecute, program, 11).To(0x1a2b3c40000).Anonymous(kMiB).Last();
  };
  for (const char* name :
       {"/usr/bin/node", "/usr/bin/node (deleted)", "/usr/bin/node20", "/usr/bin/node-22", "/opt/node-v24.1.0",
        "/usr/bin/nodejs", "/opt/electron", "/opt/electron39", "/usr/bin/deno", "/usr/lib/libnode.so.115"}) {
    EXPECT_EQ(heap(name), Owner::kJsHeap) << name;
  }
  for (const char* name : {"/usr/bin/node_exporter", "/usr/bin/node-exporter", "/usr/bin/nodemon", "/usr/bin/noded",
                           "/usr/bin/node-", "/usr/bin/python3", "/srv/node/server"}) {
    EXPECT_EQ(heap(name), Owner::kMmap) << name;
  }
}

TEST(AssignOwners, V8IsKnownToRunWhateverTheProgramIsCalled) {
  const std::vector<MappingFacts> facts =
      Space(0x400000).Named(40 * kMiB, kRead | kExecute, "/srv/app", 11).To(0x1a2b3c40000).Anonymous(kMiB).facts();
  Owner owners[2];
  OwnerRules rules = {nullptr, 0};
  rules.has_v8 = true;
  AssignOwners(facts.data(), facts.size(), rules, owners);
  EXPECT_EQ(owners[1], Owner::kJsHeap);
}

// Arm64 kernels with 39 bits, such as Raspberry Pi OS has: all of it lies below where x86-64 has V8's heap end.
TEST(AssignOwners, WhatTheKernelPlacesInASmallAddressSpaceIsNotV8s) {
  constexpr uint64_t kTop = 0x7f80000000;
  const auto high = [](Space& s) {
    s.To(kTop).Anonymous(20 * kMiB, kRw, "", true).Gap(kMiB).Anonymous(kMiB).Gap(kMiB);
    s.Named(132 * kKiB, kRw, "[stack]");
    EXPECT_EQ(s.At(3), Owner::kMalloc);
    EXPECT_EQ(s.At(4), Owner::kMmap);
  };
  Space fixed(0x400000);
  fixed.Node().Gap(kMiB).Named(kMiB, kRw, "[heap]").To(0x1a2b3c0000).Anonymous(256 * kKiB);
  high(fixed);
  EXPECT_EQ(fixed.At(2), Owner::kJsHeap);
  Space position_independent(0x1a2b3c0000);
  position_independent.Anonymous(256 * kKiB).To(0x5555550000).Node().Gap(kMiB).Named(kMiB, kRw, "[heap]");
  high(position_independent);
  EXPECT_EQ(position_independent.At(0), Owner::kJsHeap);
}

TEST(AssignOwners, SegmentsOfMimallocAmongV8sAddressesAreNotV8s) {
  Space s(kHigh);
  s.Node().Named(kMiB, kRead, "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2.0", 12);
  s.To(0x4d286000000).Anonymous(33 * kMiB).Reserve(31 * kMiB).Anonymous(2 * kMiB);
  EXPECT_EQ(s.At(2), Owner::kMmap);
  EXPECT_EQ(s.At(4), Owner::kMmap);
  // A page of V8's, a large object of V8's, and the same segment where there is no mimalloc.
  EXPECT_EQ(Space(kHigh)
                .Node()
                .Named(kMiB, kRead, "/lib/libmimalloc.so.2", 12)
                .To(0x882e8780000)
                .Anonymous(256 * kKiB)
                .Last(),
            Owner::kJsHeap);
  EXPECT_EQ(
      Space(kHigh).Node().Named(kMiB, kRead, "/lib/libmimalloc.so.2", 12).To(0x882e8780000).Anonymous(40 * kMiB).Last(),
      Owner::kJsHeap);
  EXPECT_EQ(Space(kHigh).Node().To(0x4d286000000).Anonymous(33 * kMiB).Last(), Owner::kJsHeap);
}

TEST(AssignOwners, WhatLiesBehindARingOfIoUringIsNoBss) {
  Space s(kHigh);
  s.Named(12 * kKiB, kRw | kShared, "anon_inode:[io_uring]", 149494).Anonymous(52 * kKiB);
  EXPECT_EQ(s.Last(), Owner::kMmap);
}

TEST(AssignOwners, WhatBeginsWithABlockOfMallocIsMallocsAndTheRestMmap) {
  EXPECT_EQ(Space(kHigh).Anonymous(20 * kMiB, kRw, "", true).Last(), Owner::kMalloc);
  EXPECT_EQ(Space(kHigh).Anonymous(20 * kMiB, kRw, "", false).Last(), Owner::kMmap);
  EXPECT_EQ(Space(kHigh).Named(kMiB, kRw, "[anon:arrow pool]").Last(), Owner::kMmap);
}

TEST(AssignOwners, SaysWhereMallocsMemoryIsToBeLookedFor) {
  const std::vector<MappingFacts> facts = Space(0x1000000)
                                              .Named(kMiB, kRw, "[heap]")
                                              .To(kHigh)
                                              .Anonymous(kMiB)
                                              .Gap(kMiB)
                                              .Anonymous(kMiB, kRead)
                                              .Gap(kMiB)
                                              .Named(kMiB, kRw, "/usr/lib/libx.so", 5)
                                              .Anonymous(4 * kMiB)
                                              .To(kHigh + kGiB)
                                              .Anonymous(kMiB)
                                              .Reserve(63 * kMiB)
                                              .facts();
  std::vector<Owner> owners(facts.size());
  std::vector<Pool> pools(facts.size());
  AssignOwners(facts.data(), facts.size(), {nullptr, 0}, owners.data(), pools.data());
  EXPECT_EQ(pools, (std::vector<Pool>{Pool::kBrkHeap, Pool::kAnonymous, Pool::kNone, Pool::kNone, Pool::kBss,
                                      Pool::kArenaHeaps, Pool::kNone}));
}

TEST(AssignOwners, TwentyThousandNeighboursAreSortedOutWithoutWalkingAllOfThemEachTime) {
  Space s(0x400000);
  s.Node().To(kHigh);
  for (int i = 0; i < 20'000; i++) s.Anonymous(4 * kKiB, i % 2 == 0 ? kRw : uint32_t{kRead});
  const std::vector<Owner> owners = Assign(s.facts());
  EXPECT_EQ(owners.size(), 20'001u);
  EXPECT_EQ(owners[10'000], Owner::kMmap);
}

// --- recorded processes

struct Recorded {
  reference::Parsed parsed;
  std::vector<MappingFacts> facts;
  std::vector<Owner> owners;

  // With smaps' flags; or from the layout alone, blocks of malloc being known by their headers.
  Recorded(const std::string& name, bool with_flags) {
    std::ifstream file(std::string(TIDEMARK_FIXTURES) + "/smaps/" + name);
    std::stringstream text;
    text << file.rdbuf();
    parsed = reference::ParseSmapsText(text.str());
    EXPECT_GT(parsed.records.size(), 50u) << name;
    for (const reference::Record& r : parsed.records) {
      const reference::Header& h = r.header;
      // What the growth table would find at the front of it: a mapping that malloc made is accounted for, not shared
      // out by V8, no stack, and has been touched.
      const bool malloc_made = r.flags.find("ac") != std::string::npos && r.flags.find("nh") == std::string::npos &&
                               h.name.empty() && r.fields.at("Anonymous") > 0 && h.end - h.start >= 128 * kKiB;
      facts.push_back({h.start, h.end, h.inode, reference::PermBits(h.perms), h.name,
                       with_flags ? std::string_view(r.flags) : std::string_view(), with_flags || malloc_made});
    }
    owners = Assign(facts);
  }

  double Resident(Owner owner) const {
    double sum = 0;
    for (size_t i = 0; i < owners.size(); i++) {
      if (owners[i] == owner) sum += parsed.records[i].fields.at("Rss");
    }
    return sum / static_cast<double>(kMiB);
  }
};

struct Node {
  const char* file;
  double v8_physical_mib;  // total of v8.getHeapSpaceStatistics() of the main thread when it was recorded
};

void PrintTo(const Node& node, std::ostream* out) { *out << node.file; }

class AssignOwnersOn : public testing::TestWithParam<std::tuple<Node, bool>> {
 protected:
  const Recorded recorded_{std::get<0>(GetParam()).file, std::get<1>(GetParam())};
  double Mib(Owner owner) const { return recorded_.Resident(owner); }
};

TEST_P(AssignOwnersOn, FindsTheWasmMemories) { EXPECT_EQ(Mib(Owner::kWasm), 32 + 8); }

// V8 has a growing table of some KiB besides, which looks like one.
TEST_P(AssignOwnersOn, FindsTheResizableBuffers) { EXPECT_NEAR(Mib(Owner::kArrayBuffers), 20 + 12, 0.02); }

// Two isolates: the worker's is some MiB, and V8 counts its code, which is js-code here.
TEST_P(AssignOwnersOn, FindsTheJsHeaps) {
  const double main = std::get<0>(GetParam()).v8_physical_mib;
  EXPECT_GT(Mib(Owner::kJsHeap), main - 2);
  EXPECT_LT(Mib(Owner::kJsHeap), main + 8);
}

TEST_P(AssignOwnersOn, FindsTheCode) {
  EXPECT_GT(Mib(Owner::kJsCode), 0.25);
  EXPECT_LT(Mib(Owner::kJsCode), 1.5);
  for (size_t i = 0; i < recorded_.owners.size(); i++) {
    const MappingFacts& m = recorded_.facts[i];
    const bool anonymous_code = m.inode == 0 && m.name.empty() && (m.perms & kExecute) != 0;
    if (anonymous_code) EXPECT_EQ(recorded_.owners[i], Owner::kJsCode) << std::hex << m.start;
  }
}

// 20 MiB of touched Buffers, the main heap and the arenas of the threads.
TEST_P(AssignOwnersOn, FindsTheMemoryOfMalloc) {
  EXPECT_GT(Mib(Owner::kMalloc), 22);
  EXPECT_LT(Mib(Owner::kMalloc), 34);
  for (size_t i = 0; i < recorded_.owners.size(); i++) {
    const std::string& flags = recorded_.parsed.records[i].flags;
    const bool arena = flags == "rd wr mr mw me nr" && recorded_.facts[i].start % (64 * kMiB) == 0;
    if (arena) EXPECT_EQ(recorded_.owners[i], Owner::kMalloc) << std::hex << recorded_.facts[i].start;
  }
}

TEST_P(AssignOwnersOn, FindsEachThreadsStackAndNothingElse) {
  int stacks = 0;
  for (size_t i = 0; i < recorded_.owners.size(); i++) {
    const bool marked =
        recorded_.parsed.records[i].flags.find(" nh") != std::string::npos && recorded_.facts[i].perms == kRw;
    const bool is_stack = marked || recorded_.facts[i].name == "[stack]";
    if (recorded_.facts[i].perms == 0) continue;  // a guard holds nothing
    EXPECT_EQ(recorded_.owners[i] == Owner::kThreadStacks, is_stack) << std::hex << recorded_.facts[i].start;
    stacks += is_stack;
  }
  EXPECT_EQ(stacks, 12);  // as many as /proc/PID/task had entries
}

TEST_P(AssignOwnersOn, LeavesLittleOver) { EXPECT_LT(Mib(Owner::kMmap), 0.25); }

INSTANTIATE_TEST_SUITE_P(Nodes, AssignOwnersOn,
                         testing::Combine(testing::Values(Node{"node20.txt", 24.1}, Node{"node22.txt", 25.4},
                                                          Node{"node24.txt", 18.6}, Node{"node26.txt", 27.3}),
                                          testing::Bool()));

TEST(AssignOwners, SortsOutAProcessThatIsNotNode) {
  for (const bool with_flags : {true, false}) {
    const Recorded python("python3.txt", with_flags);
    EXPECT_EQ(python.Resident(Owner::kJsHeap) + python.Resident(Owner::kJsCode) + python.Resident(Owner::kWasm) +
                  python.Resident(Owner::kArrayBuffers),
              0);
    EXPECT_EQ(python.Resident(Owner::kShmem), 4);
    // Four arenas, the main heap, the bytearray with the private mmap behind it (merged: one mapping), small blocks.
    EXPECT_NEAR(python.Resident(Owner::kMalloc), 4 * 3.95 + 4.7 + 24 + 1.5, 0.5) << with_flags;
    EXPECT_NEAR(python.Resident(Owner::kThreadStacks), 0.1, 0.1);
  }
}

}  // namespace
}  // namespace tidemark
