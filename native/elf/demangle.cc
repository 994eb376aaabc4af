#include "elf/demangle.h"

#include <cxxabi.h>

#include <cstdlib>
#include <cstring>

#include "elf/name_output.h"
#include "elf/rust_symbol.h"

namespace tidemark {
namespace {

// A longer symbol is left as it is: the demangler's stack and its output grow with it, the latter by powers.
constexpr size_t kMaxSymbolBytes = 8192;

size_t Copy(std::string_view text, char* out, size_t capacity) noexcept {
  NameOutput output(out, capacity);
  output.Put(text);
  return output.Finish();
}

bool IsNameCharacter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// The length of the sign of an overloaded operator; 0 when there is none.
size_t SignLength(std::string_view text) noexcept {
  // Longest first, so that << is not taken for <.
  for (const std::string_view sign :
       {"<=>", "->*", "<<=", ">>=", "()", "[]", "->", "<<", ">>", "<=", ">=", "==", "!=",
        "&&",  "||",  "++",  "--",  "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "+",
        "-",   "*",   "/",   "%",   "&",  "|",  "^",  "~",  "!",  "=",  "<",  ">",  ","}) {
    if (text.starts_with(sign)) return sign.size();
  }
  return 0;
}

constexpr std::string_view kOperator = "operator";

// Whether the word `operator` begins at `at`.
bool IsOperator(std::string_view text, size_t at) noexcept {
  return text.substr(at).starts_with(kOperator) && (at == 0 || !IsNameCharacter(text[at - 1])) &&
         (at + kOperator.size() == text.size() || !IsNameCharacter(text[at + kOperator.size()]));
}

// The end of the bracketed part that opens at `at`, one past its closing bracket; npos when it does not close. A `>`
// closes only a `<` right inside it: in parentheses it may be an operator, as in enable_if<(a > b)>.
size_t BracketEnd(std::string_view text, size_t at) noexcept {
  constexpr size_t kMaxDepth = 256;
  char open[kMaxDepth];
  size_t depth = 0;
  for (; at < text.size(); at++) {
    const char c = text[at];
    if (c == '<' || c == '(' || c == '[' || c == '{') {
      if (depth == kMaxDepth) return std::string_view::npos;
      open[depth++] = c;
    } else if (c == '>') {
      if (at > 0 && text[at - 1] == '-') continue;
      if (depth > 0 && open[depth - 1] == '<') depth--;
    } else if (c == ')' || c == ']' || c == '}') {
      const char opening = c == ')' ? '(' : c == ']' ? '[' : '{';
      while (depth > 0 && open[depth - 1] != opening) depth--;
      if (depth > 0) depth--;
    } else {
      if (c == 'o' && IsOperator(text, at)) {
        at += kOperator.size() - 1;
        at += SignLength(text.substr(at + 1));
      }
      continue;
    }
    if (depth == 0) return at + 1;
  }
  return std::string_view::npos;
}

// `<...>` in full when it is short, else its first arguments, as many as fit.
void PutTemplateArguments(std::string_view text, NameOutput& output) noexcept {
  const std::string_view inside = text.substr(1, text.size() - 2);
  if (inside.size() <= kMaxTemplateChars) {
    output.Put(text);
    return;
  }
  size_t fit = 0;
  for (size_t at = 0; at < inside.size() && at <= kMaxTemplateChars; at++) {
    if (inside[at] == ',') fit = at;
    if (inside[at] != '<' && inside[at] != '(' && inside[at] != '[' && inside[at] != '{') continue;
    const size_t end = BracketEnd(inside, at);
    if (end == std::string_view::npos) break;
    at = end - 1;
  }
  output.Put("<");
  output.Put(inside.substr(0, fit));
  output.Put(fit == 0 ? "...>" : ", ...>");
}

// `{lambda(int)#1}` without its parameters.
void PutBraces(std::string_view text, NameOutput& output) noexcept {
  constexpr std::string_view kLambda = "{lambda(";
  const size_t open = kLambda.size() - 1;
  const size_t close = text.starts_with(kLambda) ? BracketEnd(text, open) : std::string_view::npos;
  if (close == std::string_view::npos) {
    output.Put(text);
    return;
  }
  output.Put(text.substr(0, open));
  output.Put(text.substr(close));
}

// How long `operator` and what it defines are, up to template arguments or parameters: `operator()`, `operator<<`,
// `operator new[]`, `operator char const*`, `operator std::vector<int>`.
size_t OperatorLength(std::string_view text) noexcept {
  size_t at = kOperator.size();
  if (const size_t sign = SignLength(text.substr(at))) return at + sign;
  while (at < text.size() && text[at] != '(') {
    if (text[at] == '<' || text[at] == '[') {
      const size_t end = BracketEnd(text, at);
      if (end == std::string_view::npos) return text.size();
      at = end;
    } else {
      at++;
    }
  }
  return at;
}

// What may stand between the parameters of an enclosing function and the `::` that leads into it.
std::string_view SkipQualifiers(std::string_view text) noexcept {
  for (bool skipped = true; skipped;) {
    skipped = false;
    for (const std::string_view qualifier : {" const", " volatile", " noexcept", " &&", " &"}) {
      if (!text.starts_with(qualifier)) continue;
      text.remove_prefix(qualifier.size());
      skipped = true;
    }
  }
  return text;
}

// The demangler's text, to be freed; null when it cannot read the symbol.
char* DemangleCpp(std::string_view symbol) noexcept {
  char mangled[kMaxSymbolBytes + 1];
  std::memcpy(mangled, symbol.data(), symbol.size());
  mangled[symbol.size()] = '\0';
  int status;
  if (char* const text = abi::__cxa_demangle(mangled, nullptr, nullptr, &status)) return text;
  // Runtimes before GCC 14 cannot read constraints (`requires`): a Q and an expression, at the end of the symbol or of
  // template arguments. What comes before says the name; the brackets that are open there are closed. At any other Q
  // the symbol makes no sense when cut.
  constexpr int kMaxCuts = 8;
  for (int cut = 0; cut < kMaxCuts; cut++) {
    char* const constraint = std::strrchr(mangled, 'Q');
    if (constraint == nullptr) break;
    for (const std::string_view end : {"", "Evv", "EEvv"}) {
      if (constraint + end.size() > mangled + symbol.size()) break;
      std::memcpy(constraint, end.data(), end.size());
      constraint[end.size()] = '\0';
      if (char* const text = abi::__cxa_demangle(mangled, nullptr, nullptr, &status)) return text;
    }
    *constraint = '\0';
  }
  return nullptr;
}

}  // namespace

size_t ShortenName(std::string_view demangled, char* out, size_t capacity) noexcept {
  std::string_view rest = demangled;
  NameOutput output(out, capacity);
  bool in_name = false;  // the character before belongs to a name
  while (!rest.empty()) {
    const char c = rest.front();
    size_t length = 1;
    if (rest.starts_with("(anonymous namespace)")) {
      length = 21;
      output.Put(rest.substr(0, length));
      in_name = true;
    } else if (!in_name && IsOperator(rest, 0)) {
      length = OperatorLength(rest);
      // The space of `operator< <int>` ends no return type.
      if (rest.substr(length).starts_with(" <")) length++;
      output.Put(rest.substr(0, length));
      in_name = true;
    } else if (!in_name && (rest.starts_with("decltype (") || rest.starts_with("decltype("))) {
      const size_t end = BracketEnd(rest, rest.find('('));
      if (end == std::string_view::npos) return Copy(demangled, out, capacity);
      length = end;
      in_name = true;
    } else if (c == ' ' || c == '*' || c == '&' || (c == '(' && !in_name)) {
      // What came before is the return type, or `virtual thunk to`. In `void (*f<int>(int))(char)` the type goes on
      // behind the name.
      output.Truncate(0);
      in_name = false;
    } else if (c == '<' || c == '(' || c == '[' || c == '{') {
      length = BracketEnd(rest, 0);
      if (length == std::string_view::npos) return Copy(demangled, out, capacity);
      const std::string_view part = rest.substr(0, length);
      if (c == '(') {
        const std::string_view after = SkipQualifiers(rest.substr(length));
        if (!after.starts_with("::")) break;
        length = rest.size() - after.size();
      } else if (c == '<') {
        PutTemplateArguments(part, output);
      } else if (c == '{') {
        PutBraces(part, output);
      } else {
        output.Put(part);
      }
      in_name = true;
    } else {
      output.Put(rest.substr(0, 1));
      in_name = c != ':';
    }
    rest.remove_prefix(length);
  }
  const size_t size = output.Finish();
  return size != 0 ? size : Copy(demangled, out, capacity);
}

size_t Demangle(std::string_view symbol, char* out, size_t capacity) noexcept {
  const bool rust = symbol.starts_with("_R");
  if ((!rust && !symbol.starts_with("_Z")) || symbol.size() > kMaxSymbolBytes) return Copy(symbol, out, capacity);
  // A suffix is what the compiler split off or made a copy of: .cold, .part.0, .constprop.0, .llvm.123. In Rust's
  // legacy names there are dots before it too.
  const size_t dot = symbol.find('.');
  for (size_t end = dot; !rust; end = symbol.find('.', end + 1)) {
    NameOutput output(out, capacity);
    if (PutLegacyRust(symbol.substr(0, end), output)) return output.Finish();
    if (end == std::string_view::npos) break;
  }
  const std::string_view whole = symbol.substr(0, dot);
  if (rust) {
    NameOutput output(out, capacity);
    return PutRustV0(whole, output) ? output.Finish() : Copy(symbol, out, capacity);
  }
  char* const demangled = DemangleCpp(whole);
  if (demangled == nullptr) return Copy(symbol, out, capacity);
  const size_t size = ShortenName(demangled, out, capacity);
  std::free(demangled);
  return size;
}

}  // namespace tidemark
