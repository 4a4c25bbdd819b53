#include "base/json_value.h"

namespace reeve::json {

const Value* Value::Find(std::string_view key) const {
  const Object* object = As<Object>();
  if (object == nullptr) return nullptr;
  for (const Member& member : *object) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

bool Value::operator==(const Value& other) const {
  return value_ == other.value_;
}

}  // namespace reeve::json
