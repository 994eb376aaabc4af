#include "elf/rust_symbol.h"

#include <algorithm>
#include <cstdint>

#include "elf/demangle.h"

namespace tidemark {
namespace {

bool IsHex(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

uint32_t HexDigit(char c) noexcept { return static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

// _ZN, then length and text of each part of the path, the last a hash: 17h and 16 hexadecimal digits, then E.
constexpr size_t kRustHash = 20;

bool IsRust(std::string_view symbol) noexcept {
  if (!symbol.starts_with("_ZN") || symbol.size() < 3 + kRustHash || symbol.back() != 'E') return false;
  const std::string_view hash = symbol.substr(symbol.size() - kRustHash);
  return hash.starts_with("17h") && std::all_of(hash.begin() + 3, hash.end() - 1, IsHex);
}

void PutUtf8(uint32_t c, NameOutput& output) noexcept {
  char bytes[4];
  size_t size = 0;
  if (c < 0x80) {
    bytes[size++] = static_cast<char>(c);
  } else {
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    bytes[size++] = static_cast<char>((more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0) | c >> (6 * more));
    for (int i = more - 1; i >= 0; i--) bytes[size++] = static_cast<char>(0x80 | (c >> (6 * i) & 0x3f));
  }
  output.Put({bytes, size});
}

// `$LT$` is `<`, `$u7b$` the character 0x7b. Returns the length of the escape; 0 when it is none.
size_t PutRustEscape(std::string_view text, NameOutput& output) noexcept {
  constexpr std::string_view kEscapes[][2] = {{"$SP$", "@"}, {"$BP$", "*"}, {"$RF$", "&"}, {"$LT$", "<"},
                                              {"$GT$", ">"}, {"$LP$", "("}, {"$RP$", ")"}, {"$C$", ","}};
  for (const auto& [escape, character] : kEscapes) {
    if (!text.starts_with(escape)) continue;
    output.Put(character);
    return escape.size();
  }
  if (!text.starts_with("$u")) return 0;
  uint32_t c = 0;
  size_t at = 2;
  for (; at < text.size() && at < 8 && IsHex(text[at]); at++) c = c << 4 | HexDigit(text[at]);
  if (at == 2 || at == text.size() || text[at] != '$' || c < 0x20 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
    return 0;
  }
  PutUtf8(c, output);
  return at + 1;
}

// Reads a v0 symbol from left to right and puts what it reads. A back reference leads to an earlier place, from where
// reading goes on for one item: references to references could take for ever, so steps are counted.
class V0Reader {
 public:
  V0Reader(std::string_view symbol, NameOutput& output) noexcept : in_(symbol), output_(output) {}

  bool Read() noexcept {
    ReadPath();
    return !bad_;
  }

 private:
  static constexpr int kMaxDepth = 100;
  static constexpr int kMaxSteps = 2000;

  // Counts an item that may hold others, for as long as it is read.
  class Step {
   public:
    explicit Step(V0Reader& reader) noexcept : reader_(reader) {
      if (++reader_.depth_ > kMaxDepth || ++reader_.steps_ > kMaxSteps) reader_.bad_ = true;
    }
    ~Step() { reader_.depth_--; }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    V0Reader& reader_;
  };

  char Next() noexcept {
    if (at_ < in_.size()) return in_[at_++];
    bad_ = true;
    return '\0';
  }
  bool Eat(char c) noexcept {
    if (at_ == in_.size() || in_[at_] != c) return false;
    at_++;
    return true;
  }
  void Put(std::string_view text) noexcept {
    if (muted_ == 0) output_.Put(text);
  }
  void PutNumber(uint64_t value) noexcept {
    char digits[20];
    size_t first = sizeof digits;
    do {
      digits[--first] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    Put({digits + first, sizeof digits - first});
  }

  // "_" is 0, "0_" is 1, and so on with the digits 0-9a-zA-Z.
  uint64_t ReadBase62() noexcept {
    if (Eat('_')) return 0;
    uint64_t value = 0;
    while (!bad_ && !Eat('_')) {
      const char c = Next();
      uint64_t digit = 0;
      if (c >= '0' && c <= '9') {
        digit = static_cast<uint64_t>(c - '0');
      } else if (c >= 'a' && c <= 'z') {
        digit = static_cast<uint64_t>(c - 'a') + 10;
      } else if (c >= 'A' && c <= 'Z') {
        digit = static_cast<uint64_t>(c - 'A') + 36;
      } else {
        bad_ = true;
      }
      if (value > (UINT64_MAX - digit) / 62 - 1) bad_ = true;
      value = value * 62 + digit;
    }
    return value + 1;
  }
  uint64_t ReadTagged(char tag) noexcept { return Eat(tag) ? ReadBase62() + 1 : 0; }

  std::string_view ReadIdentifier() noexcept {
    Eat('u');  // punycode, which is left as it is
    size_t length = 0;
    size_t digits = 0;
    while (at_ < in_.size() && digits < 5 && in_[at_] >= '0' && in_[at_] <= '9') {
      length = length * 10 + static_cast<size_t>(in_[at_++] - '0');
      digits++;
    }
    Eat('_');
    if (digits == 0 || length > in_.size() - at_) {
      bad_ = true;
      return {};
    }
    at_ += length;
    return in_.substr(at_ - length, length);
  }

  template <class ReadItem>
  void FollowReference(ReadItem&& read_item) noexcept {
    const size_t reference = at_ - 1;
    const uint64_t target = ReadBase62();
    if (bad_ || target >= reference) {
      bad_ = true;
      return;
    }
    const size_t back = at_;
    at_ = static_cast<size_t>(target);
    read_item();
    at_ = back;
  }

  // What an `impl` lies in says nothing that the type does not say.
  void SkipImplPath() noexcept {
    ReadTagged('s');
    muted_++;
    ReadPath();
    muted_--;
  }

  void ReadPath() noexcept {
    const Step step(*this);
    if (bad_) return;
    switch (Next()) {
      case 'C':
        ReadTagged('s');
        Put(ReadIdentifier());
        break;
      case 'N':
        ReadNested();
        break;
      case 'M':
        SkipImplPath();
        Put("<");
        ReadType();
        Put(">");
        break;
      case 'X':
        SkipImplPath();
        ReadTrait();
        break;
      case 'Y':
        ReadTrait();
        break;
      case 'I':
        ReadPath();
        ReadArguments();
        break;
      case 'B':
        FollowReference([this] { ReadPath(); });
        break;
      default:
        bad_ = true;
    }
  }

  void ReadNested() noexcept {
    const char space = Next();
    ReadPath();
    const uint64_t number = ReadTagged('s');
    const std::string_view name = ReadIdentifier();
    if (space >= 'a' && space <= 'z') {
      if (!name.empty()) Put("::");
      Put(name);
      return;
    }
    Put(space == 'C' ? "::{closure" : "::{shim");
    if (!name.empty()) Put(":");
    Put(name);
    Put("#");
    PutNumber(number);
    Put("}");
  }

  void ReadTrait() noexcept {
    Put("<");
    ReadType();
    Put(" as ");
    ReadPath();
    Put(">");
  }

  // Cut after the last that fits, as those of C++ templates.
  void ReadArguments() noexcept {
    const size_t start = output_.size();
    size_t fit = start;
    bool first = true;
    while (!bad_ && !Eat('E')) {
      if (Eat('L')) {
        ReadBase62();  // lifetimes do not tell functions apart
        continue;
      }
      Put(first ? "<" : ", ");
      first = false;
      if (Eat('K')) {
        ReadConstant();
      } else {
        ReadType();
      }
      if (output_.size() - start <= kMaxTemplateChars + 1) fit = output_.size();
    }
    if (first) return;
    if (output_.size() - start > kMaxTemplateChars + 1) {
      output_.Truncate(fit);
      Put(fit == start ? "<..." : ", ...");
    }
    Put(">");
  }

  void ReadTypes(std::string_view separator) noexcept {
    for (bool first = true; !bad_ && !Eat('E'); first = false) {
      if (!first) Put(separator);
      ReadType();
    }
  }

  void ReadType() noexcept {
    // By their letters, a to z.
    constexpr std::string_view kBasic[] = {"i8",    "bool", "char", "f64", "str",  "f32",  "",    "u8", "isize",
                                           "usize", "",     "i32",  "u32", "i128", "u128", "_",   "",   "",
                                           "i16",   "u16",  "()",   "...", "",     "i64",  "u64", "!"};
    const Step step(*this);
    if (bad_) return;
    const char c = Next();
    if (bad_) return;
    if (c >= 'a' && c <= 'z') {
      const std::string_view basic = kBasic[c - 'a'];
      bad_ = basic.empty();
      Put(basic);
      return;
    }
    switch (c) {
      case 'R':
      case 'Q':
        if (Eat('L')) ReadBase62();
        Put(c == 'R' ? "&" : "&mut ");
        ReadType();
        break;
      case 'P':
      case 'O':
        Put(c == 'P' ? "*const " : "*mut ");
        ReadType();
        break;
      case 'A':
      case 'S':
        Put("[");
        ReadType();
        if (c == 'A') {
          Put("; ");
          ReadConstant();
        }
        Put("]");
        break;
      case 'T':
        Put("(");
        ReadTypes(", ");
        Put(")");
        break;
      case 'F':
        ReadTagged('G');
        Eat('U');
        if (Eat('K') && !Eat('C')) ReadIdentifier();
        Put("fn(");
        ReadTypes(", ");
        Put(")");
        if (!Eat('u')) {
          Put(" -> ");
          ReadType();
        }
        break;
      case 'D':
        ReadDynamic();
        break;
      case 'B':
        FollowReference([this] { ReadType(); });
        break;
      default:
        at_--;
        ReadPath();
    }
  }

  void ReadDynamic() noexcept {
    ReadTagged('G');
    Put("dyn ");
    for (bool first = true; !bad_ && !Eat('E'); first = false) {
      if (!first) Put(" + ");
      ReadPath();
      muted_++;  // what the types of the trait are
      while (!bad_ && Eat('p')) {
        ReadIdentifier();
        ReadType();
      }
      muted_--;
    }
    if (!Eat('L')) bad_ = true;
    ReadBase62();
  }

  void ReadConstant() noexcept {
    const Step step(*this);
    if (bad_) return;
    if (Eat('p')) {
      Put("_");
      return;
    }
    if (Eat('B')) {
      FollowReference([this] { ReadConstant(); });
      return;
    }
    Next();  // its type
    if (Eat('n')) Put("-");
    uint64_t value = 0;
    size_t digits = 0;
    while (!bad_ && !Eat('_')) {
      const char c = Next();
      if (!IsHex(c) || ++digits > 16) bad_ = true;
      value = value << 4 | HexDigit(c);
    }
    PutNumber(value);
  }

  std::string_view in_;
  NameOutput& output_;
  size_t at_ = 0;
  int depth_ = 0;
  int steps_ = 0;
  int muted_ = 0;
  bool bad_ = false;
};

}  // namespace

bool PutLegacyRust(std::string_view symbol, NameOutput& output) noexcept {
  if (!IsRust(symbol)) return false;
  std::string_view rest = symbol.substr(3, symbol.size() - 3 - kRustHash);
  if (rest.empty()) return false;
  for (bool first = true; !rest.empty(); first = false) {
    size_t length = 0;
    size_t digits = 0;
    for (; digits < rest.size() && digits < 5 && rest[digits] >= '0' && rest[digits] <= '9'; digits++) {
      length = length * 10 + static_cast<size_t>(rest[digits] - '0');
    }
    if (digits == 0 || length == 0 || length > rest.size() - digits) return false;
    std::string_view part = rest.substr(digits, length);
    rest.remove_prefix(digits + length);
    if (!first) output.Put("::");
    if (part.starts_with("_$")) part.remove_prefix(1);  // put there because a name may not begin with `$`
    while (!part.empty()) {
      if (part.starts_with("..")) {
        output.Put("::");
        part.remove_prefix(2);
        continue;
      }
      const size_t escape = part.front() == '$' ? PutRustEscape(part, output) : 0;
      if (escape == 0) output.Put(part.substr(0, 1));
      part.remove_prefix(std::max<size_t>(escape, 1));
    }
  }
  return true;
}

bool PutRustV0(std::string_view symbol, NameOutput& output) noexcept {
  return symbol.starts_with("_R") && V0Reader(symbol.substr(2), output).Read();
}

}  // namespace tidemark
