#include "elf/rust_symbol.h"

#include <gtest/gtest.h>

#include <string>

namespace tidemark {
namespace {

std::string Legacy(std::string_view symbol) {
  char out[1024];
  NameOutput output(out, sizeof out);
  return PutLegacyRust(symbol, output) ? std::string(out, output.Finish()) : "(none)";
}

std::string V0(std::string_view symbol) {
  char out[1024];
  NameOutput output(out, sizeof out);
  return PutRustV0(symbol, output) ? std::string(out, output.Finish()) : "(none)";
}

TEST(PutLegacyRust, ReadsThePathWithoutItsHash) {
  EXPECT_EQ(Legacy("_ZN3std2io5stdio6_print17h0123456789abcdefE"), "std::io::stdio::_print");
  EXPECT_EQ(Legacy("_ZN60_$LT$alloc..string..String$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE"),
            "<alloc::string::String as core::fmt::Display>::fmt");
  EXPECT_EQ(Legacy("_ZN3app4main28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE"), "app::main::{{closure}}");
  EXPECT_EQ(Legacy("_ZN13$RF$$C$$u263a3run17h0123456789abcdefE"), "&,$u263a::run");
  EXPECT_EQ(Legacy("_ZN14$RF$$C$$u263a$3run17h0123456789abcdefE"), "&,\xe2\x98\xba::run");
}

TEST(PutLegacyRust, LeavesEscapesAsTheyAreThatAreNone) {
  EXPECT_EQ(Legacy("_ZN7$u7$u7b3run17h0123456789abcdefE"), "$u7$u7b::run") << "a control character";
  EXPECT_EQ(Legacy("_ZN7$ud800$3run17h0123456789abcdefE"), "$ud800$::run") << "half a character";
  EXPECT_EQ(Legacy("_ZN9$u110000$3run17h0123456789abcdefE"), "$u110000$::run") << "no character";
  EXPECT_EQ(Legacy("_ZN4$XY$3run17h0123456789abcdefE"), "$XY$::run");
  EXPECT_EQ(Legacy("_ZN3$u$3run17h0123456789abcdefE"), "$u$::run");
}

TEST(PutLegacyRust, RefusesWhatHasNoHashOrOtherLengths) {
  for (const char* symbol :
       {"_ZN3app3run17hxyz3456789abcdefE", "_ZN3app3runE", "_ZN17h0123456789abcdefE", "_ZN3app3run16h0123456789abcdefE",
        "_ZN3app9run17h0123456789abcdefE", "_ZN3app0run17h0123456789abcdefE", "_ZN99999999app17h0123456789abcdefE",
        "_ZNapp17h0123456789abcdefE", "_ZN3app3run17h0123456789abcdef", ""}) {
    EXPECT_EQ(Legacy(symbol), "(none)") << symbol;
  }
}

TEST(PutRustV0, ReadsPaths) {
  EXPECT_EQ(V0("_RNvCslLv8O1NqadD_7___rustc17___rust_drop_panic"), "__rustc::__rust_drop_panic");
  EXPECT_EQ(V0("_RNvNtCs1234_7mycrate3foo3bar"), "mycrate::foo::bar");
  EXPECT_EQ(V0("_RNCNvCs1234_7mycrate4main0"), "mycrate::main::{closure#0}");
  EXPECT_EQ(V0("_RNCNvCs1234_7mycrate4mains_0"), "mycrate::main::{closure#1}");
  EXPECT_EQ(V0("_RNSNvCs1234_7mycrate4main6vtable"), "mycrate::main::{shim:vtable#0}");
  EXPECT_EQ(V0("_RNvMs_Cs1234_7mycrateNtB4_3Foo3bar"), "<mycrate::Foo>::bar");
  EXPECT_EQ(V0("_RNvXCs1234_7mycrateNtB2_3FooNtB2_3Bar3baz"), "<mycrate::Foo as mycrate::Bar>::baz");
  EXPECT_EQ(V0("_RNvYhNtCs1234_7mycrate3Bar3baz"), "<u8 as mycrate::Bar>::baz");
}

TEST(PutRustV0, ReadsTypesAndConstants) {
  const auto type = [](const std::string& of) { return V0("_RINvC1c1f" + of + "E"); };
  EXPECT_EQ(type("lhm"), "c::f<i32, u8, u32>");
  EXPECT_EQ(type("RhQeRL_e"), "c::f<&u8, &mut str, &str>");
  EXPECT_EQ(type("PhOb"), "c::f<*const u8, *mut bool>");
  EXPECT_EQ(type("ShAhj10_"), "c::f<[u8], [u8; 16]>");
  EXPECT_EQ(type("TlhEu"), "c::f<(i32, u8), ()>");
  EXPECT_EQ(type("FlhEu"), "c::f<fn(i32, u8)>");
  EXPECT_EQ(type("FUKCEj"), "c::f<fn() -> usize>");
  EXPECT_EQ(type("DNtC1c1TNtC1c1Up4ItemlEL_"), "c::f<dyn c::T + c::U>");
  EXPECT_EQ(type("L_h"), "c::f<u8>") << "lifetimes do not tell functions apart";
  EXPECT_EQ(type("L_"), "c::f");
  EXPECT_EQ(type("DNtC1c1TEh"), "(none)") << "a dyn without its lifetime";
  EXPECT_EQ(type("Kj2a_Klnff_Kp"), "c::f<42, -255, _>");
  EXPECT_EQ(type("INtC1c3VecRhE"), "c::f<c::Vec<&u8>>");
}

TEST(PutRustV0, FollowsReferencesToWhatCameBefore) {
  // Places are counted from 0 behind _R, and written less one: the tuple is at 8, the crate at 3.
  EXPECT_EQ(V0("_RINvC1c1fThEB7_E"), "c::f<(u8), (u8)>");
  EXPECT_EQ(V0("_RINvC1c1fNtB2_3FooE"), "c::f<c::Foo>");
}

TEST(PutRustV0, CutsArgumentsAfterTheLastThatFits) {
  const std::string sixty = "Nt" + std::string("C1c") + "57" + std::string(57, 'A');
  EXPECT_EQ(V0("_RINvC1c1f" + sixty + "E"), "c::f<c::" + std::string(57, 'A') + ">");
  EXPECT_EQ(V0("_RINvC1c1f" + sixty + "hE"), "c::f<c::" + std::string(57, 'A') + ", ...>");
  EXPECT_EQ(V0("_RINvC1c1fh" + sixty + "E"), "c::f<u8, ...>");
  EXPECT_EQ(V0("_RINvC1c1fT" + sixty + "EE"), "c::f<...>");
}

TEST(PutRustV0, RefusesWhatItCannotRead) {
  const std::string good = "_RINvMs_Cs1234_7mycrateNtB5_3Foo3barThEFlEuKj2a_E";
  EXPECT_NE(V0(good), "(none)");
  for (size_t size = 0; size < good.size(); size++) EXPECT_EQ(V0(good.substr(0, size)), "(none)") << size;
  EXPECT_EQ(V0("_RB_"), "(none)") << "a reference to itself";
  EXPECT_EQ(V0("_RNvB9_3foo"), "(none)") << "a reference forward";
  EXPECT_EQ(V0("_RNvBZZZZZ_3foo"), "(none)") << "a reference out of the symbol";
  EXPECT_EQ(V0("_RNvC9_3foo"), "(none)") << "longer than the symbol";
  EXPECT_EQ(V0("_RINvC1c1fgE"), "(none)") << "no type";
  EXPECT_EQ(V0("_RINvC1c1fKj00000000000000000_E"), "(none)") << "more than 64 bits";
  EXPECT_EQ(V0("_RNvCsZZZZZZZZZZZZ_1c1f"), "(none)") << "more than 64 bits";
  EXPECT_EQ(V0("_R" + std::string(1000, 'I')), "(none)");
  EXPECT_EQ(V0("_RINvC1c1f" + std::string(1000, 'R') + "hE"), "(none)");
}

TEST(PutRustV0, GivesUpOnReferencesThatMultiply) {
  // Each tuple is two of the one before.
  const auto nested = [](int levels) {
    std::string symbol = "_RINvC1c1fTuuE";
    for (int i = 0; i < levels; i++) {
      const size_t value = symbol.rfind('T') - std::string("_R").size() - 1;
      const auto digit = [](size_t of) {
        return "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[of % 62];
      };
      std::string reference = "B";
      if (value >= 62) reference += digit(value / 62);
      reference += digit(value);
      symbol += "T" + reference + "_" + reference + "_E";
    }
    return V0(symbol + "E");
  };
  EXPECT_EQ(nested(1), "c::f<((), ()), (((), ()), ((), ()))>");
  EXPECT_EQ(nested(7), "c::f<((), ()), (((), ()), ((), ())), ...>");
  EXPECT_EQ(nested(30), "(none)") << "2^31 types";
}

}  // namespace
}  // namespace tidemark
