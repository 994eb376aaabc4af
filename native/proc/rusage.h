// What the kernel has charged this process for, from getrusage(2).
#pragma once

#include <sys/resource.h>

namespace tidemark {

struct ResourceUsage {
  double user_cpu_ms;
  double system_cpu_ms;
  double peak_rss;  // bytes; highest so far, never falls; of the largest child for RUSAGE_CHILDREN
  double minor_faults;
  double major_faults;
  double blocks_in;   // of 512 bytes, from storage
  double blocks_out;  // of 512 bytes, to storage
  double voluntary_switches;
  double involuntary_switches;
};

// `who` is RUSAGE_SELF, RUSAGE_THREAD or RUSAGE_CHILDREN. Inline: it is two thirds of a measured region's cost.
inline void ReadResourceUsage(int who, ResourceUsage& usage) noexcept {
  struct rusage r = {};
  getrusage(who, &r);  // fails only for an unknown `who` or a bad pointer
  usage.user_cpu_ms = static_cast<double>(r.ru_utime.tv_sec) * 1e3 + static_cast<double>(r.ru_utime.tv_usec) / 1e3;
  usage.system_cpu_ms = static_cast<double>(r.ru_stime.tv_sec) * 1e3 + static_cast<double>(r.ru_stime.tv_usec) / 1e3;
  usage.peak_rss = static_cast<double>(r.ru_maxrss) * 1024;
  usage.minor_faults = static_cast<double>(r.ru_minflt);
  usage.major_faults = static_cast<double>(r.ru_majflt);
  usage.blocks_in = static_cast<double>(r.ru_inblock);
  usage.blocks_out = static_cast<double>(r.ru_oublock);
  usage.voluntary_switches = static_cast<double>(r.ru_nvcsw);
  usage.involuntary_switches = static_cast<double>(r.ru_nivcsw);
}

}  // namespace tidemark
