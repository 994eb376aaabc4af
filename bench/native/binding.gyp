# The addons of the benchmarks, built by `npm run bench` into bench/native/build. Not in any release.
# floors: what readings are compared with. The floors of ../../native are compiled in, so that their native part can be
# timed without JavaScript around it. allocations, heaps: loops of malloc and free, and what they leave; nothing of ours.
{
  'targets': [
    {
      'target_name': 'floors',
      'sources': ['floors.cc', '<!@(sed -nE "s,^native/(base|proc|allocator|ledger)/,../../&,p" ../../native/sources.txt)'],
      'include_dirs': ['../../native'],
      'defines': ['NAPI_VERSION=8', 'NDEBUG'],
      'cflags_cc': ['<!@(grep "^-" ../../native/flags.txt)', '-O2'],
    },
    {
      'target_name': 'heaps',
      'sources': ['heaps.cc'],
      'defines': ['NAPI_VERSION=8', 'NDEBUG'],
      'cflags_cc': ['<!@(grep "^-" ../../native/flags.txt)', '-O2'],
    },
    {
      'target_name': 'allocations',
      'sources': ['allocations.cc'],
      'defines': ['NAPI_VERSION=8', 'NDEBUG'],
      'cflags_cc': ['<!@(grep "^-" ../../native/flags.txt)', '-O2'],
    },
  ],
}
