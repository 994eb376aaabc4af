// Names for the addresses of JavaScript code.
//
// The hook stores bare addresses; here they become functions, later and elsewhere. V8 says where it puts code and where
// it moves it, but never that code has gone: a function that is replaced is simply overlapped by the next one. So what
// overlaps an entry ends it, code that moved is still named at its old place (samples taken there may not have been
// named yet), and the number of entries is capped. Under the cap, the first to go are the old places of moved code, the
// code of isolates that have gone, and functions without a script file (eval, new Function), the oldest first, and then
// the oldest of the rest; builtins stay for ever. With this order 200 functions under churn were named right at every
// sample, evicting by age alone lost up to 87 % of the names; none was ever named wrong.
//
// One map a process: isolates come and go, and their code never shares an address. New code goes to a log; the log is
// merged into a sorted table when it is full or when somebody asks, so that an event costs about as much as hashing
// its name. V8 also reports from threads other than the isolate's, hence the lock; it is never taken in a hook.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "base/mapped_array.h"
#include "base/string_table.h"
#include "stack/line_tables.h"

namespace tidemark {

enum class CodeKind : uint8_t { kMachine, kBytecode };

class CodeMap {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kDefaultEntries = 131072;  // of 24 bytes; one isolate has 5,000 before its first line
  static constexpr size_t kMaxNameBytes = size_t{8} << 20;
  static constexpr size_t kLogEntries = 8192;

  struct Resolved {
    uint32_t name;     // kNone: no code is known there
    uint32_t inlined;  // the function that was inlined there into `name`; kNone: none, or it cannot be told
    int32_t position;  // in characters, in the script of `inlined`, or else of `name`; -1: unknown
  };

  struct Stats {
    uint64_t entries;  // with those still in the log
    uint64_t capacity;
    uint64_t added;
    uint64_t moved;
    uint64_t evicted_with_file;
    uint64_t evicted_without_file;
    uint64_t names;
    uint64_t name_bytes;
    uint64_t names_dropped;  // calls whose name no longer fitted and became "(name dropped)"
    uint64_t line_bytes;
    uint64_t dropped;  // code, moves and line tables that could not be kept: no memory, or an origin unknown
    uint64_t bytes;    // of memory held
  };

  explicit CodeMap(uint32_t capacity = kDefaultEntries) noexcept : capacity_(capacity) {}

  // Only before the first Add.
  void SetCapacity(uint32_t capacity) noexcept;

  // Code `name` of `isolate` (any number of its own) is now at [start, start + length); whatever overlapped it is gone.
  void Add(uint64_t start, uint32_t length, std::string_view name, CodeKind kind = CodeKind::kMachine,
           uint64_t isolate = 0) noexcept;

  // The isolate is about to go. Its code is still named, but is the next to be evicted: each worker has builtins of its
  // own, and those of the dead would crowd out the code of the living.
  void Forget(uint64_t isolate) noexcept;

  // The code that begins at `from` is now at `to`.
  void Move(uint64_t from, uint64_t to) noexcept;

  // The line table of the code at `start`. V8 sends it before it adds the code, or long after when it needed the
  // positions of old bytecode only then.
  void SetLines(uint64_t start, const LinePosition* lines, size_t count) noexcept;

  // A collection that frees code has ended: a line table set before it is not for code that is added after it. Takes
  // no lock.
  void NoteCollection() noexcept { collections_.fetch_add(1, std::memory_order_relaxed); }

  // Resolves `count` return addresses and bytecode addresses, as they were on the stack.
  void Resolve(const uint64_t* pcs, size_t count, Resolved* out) noexcept;

  // Copies the name and returns its whole length, which may be more than `capacity`; 0 for an unknown id. As V8 gives
  // it: `JS:*resize /app/thumbs.js:41:17`, where ~ is bytecode, ^ + * are the compilers from plain to optimizing (an o
  // before it: entered in a loop; a ' behind it: compiled on another thread).
  size_t CopyName(uint32_t id, char* out, size_t capacity) noexcept;

  Stats GetStats() noexcept;

 private:
  // In the order in which they are evicted.
  enum class Class : uint8_t { kWithoutFile, kWithFile, kBuiltin };

  struct Entry {
    uint64_t start : 48;
    uint64_t isolate : 16;  // a hash
    uint32_t length : 28;   // 0: ended, until the merge that ended it is over
    uint32_t kind : 2;      // a Class
    uint32_t bytecode : 1;
    uint32_t left : 1;  // the code has moved away, or its isolate has gone
    uint32_t name;
    uint32_t lines;
    uint32_t age;  // rises with each Add and Move; the old place of what moved is as old as the move
    uint64_t end() const noexcept { return uint64_t{start} + length; }
  };
  static_assert(sizeof(Entry) == 24);

  struct Name {
    uint64_t script;    // a hash; 0: has none
    uint64_t function;  // a hash of the name without its compiler
    Class kind;
    bool top_level;
  };

  struct Pending {  // a line table that came before its code
    uint64_t start;
    uint32_t lines;
    uint32_t collection;
  };

  struct Candidate {  // bytecode that may have been inlined somewhere
    uint64_t script;
    LineTables::Span span;
    uint32_t lines;
    uint32_t name;
  };
  struct Candidates {  // by script, then by where they begin
    MappedArray<Candidate> list;
    bool gathered = false;
  };

  bool Prepare() noexcept;
  void Append(const Entry& entry) noexcept;
  uint32_t NextAge() noexcept;
  void Leave(Entry& entry) noexcept;
  Entry* FindStart(uint64_t start) noexcept;
  void Merge() noexcept;
  size_t EndOverlapped() noexcept;
  void Evict(size_t excess) noexcept;
  const Entry* Find(uint64_t pc) const noexcept;
  Resolved ResolveOne(uint64_t pc, Candidates& candidates) const noexcept;
  void GatherCandidates(Candidates& candidates) const noexcept;
  const Candidate* InScript(uint64_t script, uint32_t position, const Candidates& candidates) const noexcept;
  bool Convinces(const Candidate& candidate, uint64_t own_script, const Candidate* own,
                 const MappedArray<LinePosition>& code, size_t at, const Candidates& candidates) const noexcept;
  uint32_t FindInlined(const Entry& entry, uint32_t offset, uint32_t position, Candidates& candidates) const noexcept;
  uint32_t InternName(std::string_view name) noexcept;

  std::mutex mutex_;
  uint32_t capacity_;
  KeptArray<Entry> entries_;  // sorted, disjoint, with room behind them for the log
  KeptArray<Entry> log_;      // newest last
  OwnMapping log_index_;      // hash of start -> place in the log + 1
  OwnMapping pending_;
  KeptStringTable names_;
  KeptArray<Name> name_info_;
  LineTables lines_;
  uint32_t next_age_ = 0;
  uint64_t name_bytes_ = 0;
  uint64_t name_bytes_without_file_ = 0;
  std::atomic<uint32_t> collections_{0};
  Stats counts_ = {};
};

// The map of this process.
CodeMap& JsCode() noexcept;

}  // namespace tidemark
