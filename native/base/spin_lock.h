// A lock for code that runs inside malloc and free.
//
// A mutex may allocate nothing and still not do: what is held here is held for tens of nanoseconds, and a hook that
// finds it taken must be able to give up. Spinning alone is wrong too: with 16 threads on 2 cores the holder is
// mostly one that was preempted, and spinning at it doubled the price of a sample; so a waiter soon gives up the
// processor. One that waits under a real-time policy gives way by sched_yield to its equals only, never to an ordinary
// holder, so in the end it sleeps.
//
// All zeros is an unlocked lock. After fork the child may find it held by a thread that it does not have: Reset.
#pragma once

#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace tidemark {

class SpinLock {
 public:
  // Waits as long as it takes. errno is kept.
  void Lock() noexcept {
    for (int yields = 0; !Spin(); yields++) yields < kYields ? Yield() : Sleep();
  }

  // False when it is still held after a few microseconds of trying. errno is kept.
  bool TryLock() noexcept {
    for (int yields = 0; !Spin(); yields++) {
      if (yields == kPoliteYields) return false;
      Yield();
    }
    return true;
  }

  void Unlock() noexcept { held_.store(0, std::memory_order_release); }

  // In the child of a fork, where no other thread is left to hold it.
  void Reset() noexcept { held_.store(0, std::memory_order_relaxed); }

 private:
  static constexpr int kSpins = 100;
  static constexpr int kPoliteYields = 4;
  static constexpr int kYields = 1000;

  bool Spin() noexcept {
    for (int i = 0; i < kSpins; i++) {
      if (held_.load(std::memory_order_relaxed) == 0 && held_.exchange(1, std::memory_order_acquire) == 0) return true;
      Pause();
    }
    return false;
  }

  static void Pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }

  static void Yield() noexcept { sched_yield(); }  // cannot fail, so it leaves errno alone

  // Not nanosleep(): that is a point where a thread may be cancelled, and free() is none.
  static void Sleep() noexcept {
    const int kept = errno;
    const timespec moment = {0, 50'000};
    syscall(SYS_nanosleep, &moment, nullptr);
    errno = kept;
  }

  std::atomic<uint32_t> held_{0};
};

}  // namespace tidemark
