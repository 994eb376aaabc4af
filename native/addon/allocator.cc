// Has the process's allocator give back what it holds free, on a pool thread.

#include <iterator>

#include "addon/async_job.h"
#include "addon/thread_data.h"
#include "allocator/free_memory_release.h"

namespace tidemark {
namespace {

struct ReleaseJob {
  FreeMemoryRelease release;

  Failure Read(double) { return ReleaseFreeMemory(release); }

  // In the order of src/seam.ts RELEASE.
  Napi::Value ToJs(Napi::Env env) {
    const double numbers[] = {release.before.rss, release.after.rss, release.before.anon, release.after.anon,
                              release.milliseconds};
    return ToNumbers(env, numbers, std::size(numbers));
  }
};

}  // namespace

void ExportAllocator(Napi::Env env, Napi::Object exports) {
  exports.Set("releaseFreeMemory", Napi::Function::New(env, AsyncJob<ReleaseJob>::Start, "releaseFreeMemory"));
}

}  // namespace tidemark
