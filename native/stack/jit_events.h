// Feeds the code map: listens to V8's reports of the code that it makes.
//
// V8 reports code when it compiles it and never again, so listening begins when the isolate does and does not stop.
// Beginning late means asking for all existing code: V8 then walks its whole heap, about 1 s per GiB.
// One listener an isolate is all that V8 has room for: another tool that sets its own takes ours away, and the other
// way round.
#pragma once

#include <cstdint>

namespace tidemark {

enum class JitEvents : uint8_t { kOn, kAlreadyOn, kUnsupported };

// For the isolate of the calling thread. `existing`: its code of before, too; without it on no thread of the process
// the interpreter itself stays unknown, and with it the bytecode of interpreted frames. Not in a hook.
JitEvents EnableJitEvents(bool existing) noexcept;

}  // namespace tidemark
