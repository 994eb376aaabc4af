// Unwind data made in memory, for tests and fuzzers: what linkers make, and what none would. It ends where a page ends
// that is followed by one that cannot be read.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "stack/eh_frame.h"

namespace tidemark::images {

using Bytes = std::vector<uint8_t>;

inline void Append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

template <class T>
void AppendValue(Bytes& to, T value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  to.insert(to.end(), bytes, bytes + sizeof value);
}

inline Bytes Uleb(uint64_t value) {
  Bytes out;
  for (;; value >>= 7) {
    if (value < 0x80) {
      out.push_back(static_cast<uint8_t>(value));
      return out;
    }
    out.push_back(static_cast<uint8_t>(value | 0x80));
  }
}

// Bytes that cannot be read beyond their end.
class Guarded {
 public:
  explicit Guarded(const Bytes& bytes) : pages_((bytes.size() + kPage - 1) / kPage * kPage) {
    map_ = static_cast<uint8_t*>(
        mmap(nullptr, pages_ + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(map_ + pages_, kPage, PROT_NONE);
    data_ = map_ + pages_ - bytes.size();
    if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
    readable.count = 1;
    readable.ranges[0] = {address(), address() + bytes.size()};
  }
  ~Guarded() { munmap(map_, pages_ + kPage); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  uint8_t* data() { return data_; }
  uint64_t address() const { return reinterpret_cast<uint64_t>(data_); }

  ReadableRanges readable;

 private:
  static constexpr size_t kPage = 65536;

  size_t pages_;
  uint8_t* map_;
  uint8_t* data_;
};

#if defined(__aarch64__)
constexpr uint8_t kSp = 31;
constexpr uint8_t kFp = 29;
constexpr uint8_t kRa = 30;
#else
constexpr uint8_t kSp = 7;
constexpr uint8_t kFp = 6;
constexpr uint8_t kRa = 16;
#endif

struct Function {
  int32_t start;  // from the beginning of the code
  uint32_t size;
  Bytes instructions;
};

// What the code's descriptions begin with. x86-64: CFA = sp + 8, the return address below it.
inline Bytes InitialInstructions() {
#if defined(__aarch64__)
  return {0x0c, kSp, 0};
#else
  return {0x0c, kSp, 8, static_cast<uint8_t>(0x80 | kRa), 1};
#endif
}

// .eh_frame_hdr and .eh_frame, as ld writes them; the code begins kCodeAt bytes behind the header's address.
constexpr int32_t kCodeAt = 0x100000;
inline Bytes MakeEhFrame(const std::vector<Function>& functions, const Bytes& initial = InitialInstructions(),
                         const Bytes& augmentation = {'z', 'R', 0}) {
  const auto align = [](Bytes& bytes) {
    while (bytes.size() % 8 != 0) bytes.push_back(0);
  };
  Bytes common = {0, 0, 0, 0, 1};  // id, version
  Append(common, augmentation);
  Append(common, {1, 0x78, kRa});  // factors 1 and -8
  Append(common, {1, 0x1b});       // one byte of data: addresses are pc-relative
  Append(common, initial);
  common.resize((common.size() + 4 + 7) / 8 * 8 - 4);

  Bytes image = {1, 0x1b, 0x03, 0x3b};
  AppendValue<int32_t>(image, 0);
  AppendValue<uint32_t>(image, static_cast<uint32_t>(functions.size()));
  const size_t list = image.size();
  image.resize(list + 8 * functions.size());
  align(image);
  const size_t common_at = image.size();
  AppendValue<uint32_t>(image, static_cast<uint32_t>(common.size()));
  Append(image, common);
  for (size_t i = 0; i < functions.size(); i++) {
    const Function& function = functions[i];
    const int32_t entry[2] = {kCodeAt + function.start, static_cast<int32_t>(image.size())};
    std::memcpy(image.data() + list + 8 * i, entry, sizeof entry);
    Bytes record;
    AppendValue<uint32_t>(record, static_cast<uint32_t>(image.size() + 4 - common_at));
    AppendValue<int32_t>(record, kCodeAt + function.start - static_cast<int32_t>(image.size() + 8));
    AppendValue<uint32_t>(record, function.size);
    record.push_back(0);  // no augmentation data
    Append(record, function.instructions);
    record.resize((record.size() + 4 + 7) / 8 * 8 - 4);
    AppendValue<uint32_t>(image, static_cast<uint32_t>(record.size()));
    Append(image, record);
  }
  return image;
}

}  // namespace tidemark::images
