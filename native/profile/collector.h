// Turns what the hooks leave behind into profiles.
//
// A thread of its own, not of libuv's pool and not the JS thread: at least once a second it takes the raw stacks over,
// while the code that they point into is still where it was, looks for objects that were loaded without our noticing,
// and thins the live set when it fills up.
#pragma once

#include <cstdint>

#include "base/mapped_array.h"
#include "base/string_table.h"
#include "profile/stack_store.h"

namespace tidemark {

struct CollectorOptions {
  uint32_t interval;       // bytes between samples, at least 1
  uint32_t live_capacity;  // samples of live blocks; the first session of a process decides
};

// A profile as numbers: rows that refer to each other and to `strings`.
struct ProfileSnapshot {
  struct Frame {
    double kind;      // FrameKind
    double name;      // in strings; -1: none
    double inlined;   // in strings; -1: none
    double position;  // characters from the start of the script; -1: unknown
    double module;    // -1 for other than native frames
    double address;   // link-time address of the call
    double function;  // link-time address of the function; 0: unknown
  };
  struct Module {
    double path;      // in strings
    double build_id;  // in strings, hexadecimal
    double start, end, bias;
    double kind;  // ObjectKind
    double own;
  };
  struct Trace {
    double first;  // in stack
    double frames;
    double flags;
    double region;
    double thread;  // in ThreadNames
    // Each: count, bytes, variance of the count, of the bytes, samples.
    double allocated[5];
    double live[5];
    double old[5];
    double live_resident;  // bytes of `live` in pages that were touched
  };
  MappedArray<Frame> frames;
  MappedArray<uint32_t> stack;
  MappedArray<Module> modules;
  MappedArray<Trace> traces;  // those with anything in them
  StringTable strings;
  double seconds = 0;  // since the session started
  double interval = 0;
};

// What one region of one thread has allocated, and what of it lives.
struct RegionSums {
  double region;
  double thread;  // in ThreadNames
  double allocated_bytes, allocated_variance;
  double live_bytes, live_variance;
};

struct CollectorStats {
  double samples;       // taken since the session started
  double live_samples;  // now
  double live_capacity;
  double dropped;      // samples that had no room or came when a lock was held
  double replaced;     // frees that went unseen: another block came to the same address
  double unmatched;    // frees that the filter let through and the set did not know
  double thinned;      // times that the interval was doubled because the live set was full
  double overflows;    // samples of stacks that had no room
  double late_drains;  // drains put off because a thread was inside a hook
};

class Collector {
 public:
  // Starts a session: hooks in, thread running. 0 or an errno: ENOSYS no malloc to hook, ENOMEM, EALREADY, EAGAIN no
  // thread to be had, or why /proc/self/maps cannot be read. Waits while another thread ends the session before.
  static int Start(const CollectorOptions& options) noexcept;
  // Hooks out, thread gone. What was collected stays for snapshots until the next Start.
  static void Stop() noexcept;
  static bool Running() noexcept;
  static void SetInterval(uint32_t interval) noexcept;

  // Drains and writes down everything; blocks that are at least `old_ms` old are counted as old too. With
  // `only_live`, no traces of which no block lives. On a pool thread: reads symbol files. 0 or an errno.
  static int Snapshot(double old_ms, bool only_live, ProfileSnapshot& out) noexcept;

  // The same by region alone, at once: for the JS thread. False when a snapshot is being taken, or memory has run out.
  static bool Regions(MappedArray<RegionSums>& out) noexcept;

  // A number that stays the same as long as the live blocks that are at least `old_ms` old do, and their weights: then
  // a snapshot would find the same of them. Blocks that come and go at once, as most do, change nothing.
  static uint32_t OldBlocks(double old_ms) noexcept;

  static CollectorStats Stats() noexcept;
};

}  // namespace tidemark
