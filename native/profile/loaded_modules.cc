#include "profile/loaded_modules.h"

#include <algorithm>
#include <cstring>

namespace tidemark {
namespace {

bool SameObject(const LoadedModule& module, uint32_t path, const LoadedObject& object) noexcept {
  return module.bias == object.bias && module.start == object.start && module.end == object.end &&
         module.path == path && module.build_id_size == object.build_id_size &&
         std::memcmp(module.build_id, object.build_id, object.build_id_size) == 0;
}

}  // namespace

bool LoadedModules::Update(const ObjectList& list) noexcept {
  for (LoadedModule& module : modules_) module.loaded = false;
  ranges_.Shrink(ranges_.size());
  const auto here = reinterpret_cast<uint64_t>(&SameObject);
  for (const LoadedObject& object : list.objects) {
    const uint32_t path = paths_.Intern(list.names.At(object.name));
    if (path == KeptStringTable::kFull) return false;
    uint32_t number = 0;
    while (number < modules_.size() && !SameObject(modules_[number], path, object)) number++;
    if (number == modules_.size()) {
      LoadedModule* module = modules_.Append();
      if (module == nullptr) return false;
      *module = {};
      module->bias = object.bias;
      module->start = object.start;
      module->end = object.end;
      module->text_start = object.text_start;
      module->text_end = object.text_end;
      module->path = path;
      module->kind = object.kind;
      module->own = here >= object.text_start && here < object.text_end;
      module->build_id_size = object.build_id_size;
      std::memcpy(module->build_id, object.build_id, sizeof module->build_id);
    }
    modules_[number].loaded = true;
    if (!AddRange(number)) return false;
  }
  // Code that was unloaded is still in stacks taken before, until other code lies in its place; the latest first.
  for (uint32_t number = Count(); number-- > 0;) {
    if (!modules_[number].loaded && !Overlaps(modules_[number]) && !AddRange(number)) return false;
  }
  std::sort(ranges_.begin(), ranges_.end(), [](const TextRange& a, const TextRange& b) { return a.start < b.start; });
  changes_ = list.changes;
  return true;
}

bool LoadedModules::Overlaps(const LoadedModule& module) const noexcept {
  for (const TextRange& range : ranges_) {
    if (module.text_start < range.end && range.start < module.text_end) return true;
  }
  return false;
}

bool LoadedModules::AddRange(uint32_t number) noexcept {
  const LoadedModule& module = modules_[number];
  if (module.text_start == module.text_end) return true;
  TextRange* range = ranges_.Append();
  if (range != nullptr) *range = {module.text_start, module.text_end, number};
  return range != nullptr;
}

uint32_t LoadedModules::Find(uint64_t pc) const noexcept {
  const TextRange* after =
      std::upper_bound(ranges_.begin(), ranges_.end(), pc, [](uint64_t a, const TextRange& r) { return a < r.start; });
  if (after == ranges_.begin()) return kNone;
  const TextRange& range = after[-1];
  return pc < range.end ? range.module : kNone;
}

}  // namespace tidemark
