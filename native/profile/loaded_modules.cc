#include "profile/loaded_modules.h"

#include <algorithm>
#include <cstring>

namespace tidemark {
namespace {

template <class Place>
bool Before(const Place& a, const Place& b) noexcept {
  return a.start < b.start;
}

}  // namespace

// kNone when there is no room. Found by the file, wherever it lies.
uint32_t LoadedModules::NumberOf(const LoadedObject& object, uint32_t path) noexcept {
  const LoadedModule wanted = {object.bias,
                               object.start,
                               object.end,
                               object.text_start - object.bias,
                               object.text_end - object.bias,
                               path,
                               object.kind,
                               false,
                               object.build_id_size,
                               {}};
  for (uint32_t number = 0; number < Count(); number++) {
    LoadedModule& known = modules_[number];
    if (known.path != path || known.text_start != wanted.text_start || known.text_end != wanted.text_end ||
        known.end - known.start != wanted.end - wanted.start || known.build_id_size != wanted.build_id_size ||
        std::memcmp(known.build_id, object.build_id, known.build_id_size) != 0) {
      continue;
    }
    known.bias = wanted.bias;
    known.start = wanted.start;
    known.end = wanted.end;
    return number;
  }
  if (modules_.size() == kMaxModules) return kNone;
  LoadedModule* module = modules_.Append();
  if (module == nullptr) return kNone;
  *module = wanted;
  const auto here = reinterpret_cast<uint64_t>(&Before<Place>);
  module->own = here >= object.text_start && here < object.text_end;
  std::memcpy(module->build_id, object.build_id, sizeof module->build_id);
  return Count() - 1;
}

// Places of what is gone follow those that are loaded, unless something else lies there: that is then contested.
bool LoadedModules::AddGone(MappedArray<Place>& places, size_t loaded) noexcept {
  for (const Place& before : places_) {
    const auto from = [&places] { return places.begin(); };
    size_t i = static_cast<size_t>(std::upper_bound(from(), from() + loaded, before, Before<Place>) - from());
    if (i > 0 && places[i - 1].end > before.start) i--;
    bool covered = false;
    for (; i < loaded && places[i].start < before.end; i++) {
      Place& now = places[i];
      covered = true;
      const bool same = now.start == before.start && now.end == before.end && now.module == before.module;
      now.contested |= !same || before.contested;
    }
    if (covered) continue;
    Place* gone = places.Append();
    if (gone == nullptr) return false;
    *gone = before;
    gone->loaded = false;
  }
  return true;
}

bool LoadedModules::Update(const ObjectList& list) noexcept {
  MappedArray<Place> places;
  bool complete = true;
  for (const LoadedObject& object : list.objects) {
    const uint32_t path = paths_.Intern(list.names.At(object.name));
    complete = complete && path != KeptStringTable::kFull;
    const uint32_t number = complete ? NumberOf(object, path) : kNone;
    if (number == kNone || object.text_start == object.text_end) continue;
    Place* place = places.Append();
    complete = complete && place != nullptr;
    if (place != nullptr) *place = {object.text_start, object.text_end, object.bias, number, true, false};
  }
  std::sort(places.begin(), places.end(), Before<Place>);
  complete = complete && AddGone(places, places.size());
  std::sort(places.begin(), places.end(), Before<Place>);

  places_.Shrink(places_.size());
  Place* to = complete && places.size() > 0 ? places_.Append(places.size()) : nullptr;
  if (to == nullptr) return complete && places.size() == 0;
  std::memcpy(to, places.data(), places.size() * sizeof(Place));
  changes_ = list.changes;
  return true;
}

void LoadedModules::Settle() noexcept {
  const auto gone = [](const Place& place) { return !place.loaded; };
  places_.Shrink(static_cast<size_t>(places_.end() - std::remove_if(places_.begin(), places_.end(), gone)));
  for (Place& place : places_) place.contested = false;
}

uint32_t LoadedModules::Find(uint64_t pc, uint64_t& address) const noexcept {
  const Place* after =
      std::upper_bound(places_.begin(), places_.end(), pc, [](uint64_t a, const Place& p) { return a < p.start; });
  if (after == places_.begin()) return kNone;
  const Place& place = after[-1];
  if (pc >= place.end || place.contested) return kNone;
  address = pc - place.bias;
  return place.module;
}

}  // namespace tidemark
