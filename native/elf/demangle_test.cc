#include "elf/demangle.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark {
namespace {

std::string Name(std::string_view symbol) {
  char out[1024];
  return {out, Demangle(symbol, out, sizeof out)};
}

std::string Short(std::string_view demangled) {
  char out[1024];
  return {out, ShortenName(demangled, out, sizeof out)};
}

TEST(Demangle, LeavesOtherSymbolsAsTheyAre) {
  for (const char* symbol :
       {"malloc", "Builtins_ArrayMap", "SSL_free.part.0", "main.main", "_start", "_Z", "_Z9", "_ZN3foo", "i", ""}) {
    EXPECT_EQ(Name(symbol), symbol);
  }
}

TEST(Demangle, DropsParametersReturnTypesAndQualifiers) {
  EXPECT_EQ(Name("_Z3fooi"), "foo");
  EXPECT_EQ(Name("_ZNK4node11Environment7isolateEv"), "node::Environment::isolate");
  EXPECT_EQ(Name("_Z3addIiET_S0_S0_"), "add<int>");
  EXPECT_EQ(Name("_ZN3FooC2Ev"), "Foo::Foo");
  EXPECT_EQ(Name("_ZN3FooD0Ev"), "Foo::~Foo");
  EXPECT_EQ(Name("_ZThn16_N3FooD1Ev"), "Foo::~Foo");
  EXPECT_EQ(Name("_ZN3Foo3barB5cxx11Ev"), "Foo::bar[abi:cxx11]");
  EXPECT_EQ(Short("void (*factory<int>(int))(char)"), "factory<int>");
  EXPECT_EQ(Short("int (Foo::*method<int>())()"), "method<int>");
  EXPECT_EQ(Short("decltype ((declval<int>)()) deduced<int>(int)"), "deduced<int>");
  EXPECT_EQ(Short("decltype(auto) deduced<int>(int)"), "deduced<int>");
  EXPECT_EQ(Short("decltypes(int)"), "decltypes");
  EXPECT_EQ(Short("std::vector<int>* make<int>() requires Big<int>"), "make<int>");
}

TEST(Demangle, KeepsAnonymousNamespacesAndDropsTheParametersOfLambdas) {
  EXPECT_EQ(Name("_ZN8tidemark12_GLOBAL__N_13runEPv"), "tidemark::(anonymous namespace)::run");
  EXPECT_EQ(Name("_ZN12_GLOBAL__N_15applyIiEEvT_"), "(anonymous namespace)::apply<int>");
  EXPECT_EQ(Name("_ZZN3Foo3runEiENKUliE_clEi"), "Foo::run::{lambda#1}::operator()");
  EXPECT_EQ(Name("_ZZNK3Foo3runEiENKUlvE0_clEv"), "Foo::run::{lambda#2}::operator()");
  EXPECT_EQ(Name("_ZZ4mainE5local"), "main::local");
}

TEST(Demangle, KeepsTheNamesOfOperators) {
  EXPECT_EQ(Name("_Znwm"), "operator new");
  EXPECT_EQ(Name("_ZdaPv"), "operator delete[]");
  EXPECT_EQ(Name("_ZN3FoonwEm"), "Foo::operator new");
  EXPECT_EQ(Name("_ZN3FoocvbEv"), "Foo::operator bool");
  EXPECT_EQ(Name("_ZN3FoocvPKcEv"), "Foo::operator char const*");
  EXPECT_EQ(Name("_ZN3FooclEv"), "Foo::operator()");
  EXPECT_EQ(Name("_ZN3FooixEi"), "Foo::operator[]");
  EXPECT_EQ(Name("_ZN3FooptEv"), "Foo::operator->");
  EXPECT_EQ(Name("_ZlsRSoRK3Foo"), "operator<<");
  EXPECT_EQ(Name("_ZN3FoossERKS_"), "Foo::operator<=>");
  EXPECT_EQ(Name("_ZltIiEbT_S0_"), "operator< <int>");
  EXPECT_EQ(Name("_ZplIiET_S0_S0_"), "operator+<int>");
  EXPECT_EQ(Name("_Zli2_kPKc"), "operator\"\" _k");
  EXPECT_EQ(Short("operators::run(int)"), "operators::run");
  EXPECT_EQ(Short("int my_operator(int)"), "my_operator");
  EXPECT_EQ(Short("int my_operator<int>(int)"), "my_operator<int>");
  EXPECT_EQ(Short("void apply<a->b, int>(int)"), "apply<a->b, int>");
  EXPECT_EQ(Short("void apply<Foo::operator<(int)>(int)"), "apply<Foo::operator<(int)>");
  EXPECT_EQ(Short("void apply<(1>2), int>(int)"), "apply<(1>2), int>");
}

TEST(Demangle, CutsTemplateArgumentsAfterTheLastThatFits) {
  const std::string sixty(60, 'A');
  EXPECT_EQ(Short("f<" + sixty + ">(int)"), "f<" + sixty + ">");
  EXPECT_EQ(Short("f<" + sixty + "A>(int)"), "f<...>");
  EXPECT_EQ(Short("f<" + sixty + ", B>(int)"), "f<" + sixty + ", ...>");
  EXPECT_EQ(Short("f<" + sixty + "A, B>(int)"), "f<...>");
  EXPECT_EQ(Short("std::vector<node::worker::Message, std::allocator<node::worker::Message> >::push_back(int)"),
            "std::vector<node::worker::Message, ...>::push_back");
  EXPECT_EQ(Short("f<A<B, C>, " + sixty + ">()"), "f<A<B, C>, ...>") << "not within the arguments of another";
  EXPECT_EQ(Short("f<A, B, " + sixty + ">::g<" + sixty + sixty + ">()"), "f<A, B, ...>::g<...>");
}

TEST(Demangle, TakesThePartsOfAFunctionForTheFunction) {
  EXPECT_EQ(Name("_Z3fooi.cold"), "foo");
  EXPECT_EQ(Name("_Z3fooi.constprop.0.isra.0"), "foo");
  EXPECT_EQ(Name("_ZN3Foo3runEv.llvm.1234567890"), "Foo::run");
}

// GCC's runtimes before 14 cannot read them; Node 26 has thousands.
TEST(Demangle, ReadsConstrainedTemplates) {
  EXPECT_EQ(Name("_ZN2v88internal10DictionaryINS0_20SimpleNameDictionaryENS0_25SimpleNameDictionaryShapeEE6ShrinkINS0_"
                 "6HandleEQsr3stdE16is_convertible_vITL0__IT_ENS0_12DirectHandleIS7_EEEEENT_IS2_EPNS0_7IsolateESA_"),
            "v8::internal::Dictionary<v8::internal::SimpleNameDictionary, ...>::Shrink<v8::internal::Handle>");
  EXPECT_EQ(Name("_Z1fIiEvT_Qsr3BigIS0_EE5value"), "f<int>");
}

TEST(Demangle, ReadsRust) {
  EXPECT_EQ(Name("_ZN3std2io5stdio6_print17h0123456789abcdefE"), "std::io::stdio::_print");
  EXPECT_EQ(Name("_ZN3std2io5stdio6_print17h0123456789abcdefE.llvm.42"), "std::io::stdio::_print");
  EXPECT_EQ(Name("_ZN4core6option15Option$LT$T$GT$3map17h0123456789abcdefE.llvm.42"), "core::option::Option<T>::map");
  EXPECT_EQ(Name("_ZN27core..option..Option$u263a$3map17h0123456789abcdefE.cold"),
            "core::option::Option\xe2\x98\xba::map");
  EXPECT_EQ(Name("_RNvCs1234_7___rustc12___rust_alloc.cold"), "__rustc::__rust_alloc");
  EXPECT_EQ(Name("_RNvCs1234_7___rustc99___rust_alloc"), "_RNvCs1234_7___rustc99___rust_alloc");
  EXPECT_EQ(Name("_Report"), "_Report");
}

TEST(Demangle, IsCutAtTheCapacityBetweenCharacters) {
  char out[64];
  EXPECT_EQ(std::string(out, Demangle("malloc", out, 3)), "mal");
  EXPECT_EQ(std::string(out, Demangle("_X8function", out, 4)), "_X8f");
  EXPECT_EQ(std::string(out, Demangle("_Z8functioni", out, 4)), "func");
  EXPECT_EQ(Demangle("malloc", out, 0), 0u);
  EXPECT_EQ(Demangle("_Z3fooi", out, 0), 0u);
  // Not within the three bytes of one character.
  const std::string symbol = "_ZN10a$u263a$bc3run17h0123456789abcdefE";
  for (const size_t capacity : {1u, 2u, 3u}) EXPECT_EQ(std::string(out, Demangle(symbol, out, capacity)), "a");
  EXPECT_EQ(std::string(out, Demangle(symbol, out, 4)), "a\xe2\x98\xba");
}

TEST(Demangle, GivesTextBackThatIsNoName) {
  for (const char* text : {"", "f<", "f<(", "(((((", "{lambda(", ">>>", ")", "operator", "operator<", "decltype (",
                           "(anonymous namespace)", " ", "a b c ", "f(int)::", "****"}) {
    const std::string name = Short(text);
    EXPECT_LE(name.size(), std::string_view(text).size());
    EXPECT_EQ(name.empty(), std::string_view(text).empty()) << text;
  }
  EXPECT_EQ(Short(std::string(5000, '<')), std::string(1024, '<'));
  const std::string deep = "void f<" + std::string(300, '(') + ">(int)";
  EXPECT_EQ(Short(deep), deep);
  const std::string huge = "_Z9000" + std::string(9000, 'a');
  EXPECT_EQ(Name(huge), huge.substr(0, 1024));
}

}  // namespace
}  // namespace tidemark
