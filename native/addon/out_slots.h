// The slots of the array that hot readings write to. Mirrors OUT in src/seam.ts, where each is explained.
#pragma once

namespace tidemark {

enum OutSlot : int {
  kOutErrno = 0,
  kOutRss = 1,
  kOutAnon = 2,
  kOutFile = 3,
  kOutRusage = 4,  // nine, in the order of struct ResourceUsage
  kOutMallocInUse = 13,
  kOutMallocFree = 14,
  kOutMallocArenas = 15,
  kOutMallocMapped = 16,
  kOutExternal = 17,
  kOutMajorGcs = 18,
  kOutUsedAfterMajorGc = 19,
  kOutLength = 24
};

}  // namespace tidemark
