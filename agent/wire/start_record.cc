#include "agent/wire/start_record.h"

#include <string_view>

namespace reeve::wire {
namespace {

constexpr uint32_t kRecordMagic = 0x31535252;  // "RRS1"
constexpr uint32_t kMaxListEntries = 1024;

class Writer {
 public:
  template <typename T>
  void operator()(const T& number) {
    const Bytes bytes = BytesOf(number);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  void operator()(const std::string& text) { Sized(AsBytes(text)); }
  void operator()(const std::vector<uint8_t>& bytes) { Sized(bytes); }
  void operator()(const std::vector<std::string>& texts) {
    (*this)(static_cast<uint32_t>(texts.size()));
    for (const std::string& text : texts) (*this)(text);
  }

  std::vector<uint8_t> out;

 private:
  void Sized(Bytes bytes) {
    (*this)(static_cast<uint32_t>(bytes.size()));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
};

class Reader {
 public:
  explicit Reader(Bytes bytes) : reader_(bytes) {}

  template <typename T>
  void operator()(T& number) {
    is_good_ = is_good_ && reader_.Take(number);
  }
  void operator()(bool& claim) {
    uint8_t byte = 0;
    (*this)(byte);
    is_good_ = is_good_ && byte <= 1;
    claim = byte == 1;
  }
  void operator()(std::string& text) { text = AsText(Sized()); }
  void operator()(std::vector<uint8_t>& bytes) {
    const Bytes view = Sized();
    bytes.assign(view.begin(), view.end());
  }
  void operator()(std::vector<std::string>& texts) {
    uint32_t count = 0;
    (*this)(count);
    is_good_ = is_good_ && count <= kMaxListEntries;
    for (uint32_t i = 0; is_good_ && i < count; ++i) (*this)(texts.emplace_back());
  }
  bool IsAtEnd() const { return is_good_ && reader_.is_at_end(); }

 private:
  Bytes Sized() {
    uint32_t size = 0;
    Bytes view;
    (*this)(size);
    is_good_ = is_good_ && reader_.TakeBytes(size, view);
    return is_good_ ? view : Bytes{};
  }

  ByteReader reader_;
  bool is_good_ = true;
};

// The one list of fields, in the order in which they stand in the record.
template <typename Record, typename Visit>
void VisitFields(Record& record, Visit& visit) {
  visit(record.name);
  visit(record.id);
  visit(record.version);
  visit(record.abi_major);
  visit(record.abi_min_minor);
  visit(record.worker);
  visit(record.generation);
  visit(record.handle_base);
  visit(record.handle_count);
  visit(record.plugin_path);
  visit(record.settings_json);
  visit(record.locks_memory);
  visit(record.freezes);
  visit(record.load_filter);
  visit(record.run_filter);
  visit(record.commands);
  visit(record.inherited_names);
}

}  // namespace

Result<std::vector<uint8_t>> Encode(const StartRecord& record) {
  Writer writer;
  writer(kRecordMagic);
  VisitFields(record, writer);
  if (writer.out.size() > kMaxStartRecordBytes)
    return Fail(Code::kTooLarge, "the start record of worker " + record.name + " is larger than " +
                                     std::to_string(kMaxStartRecordBytes) + " bytes");
  return std::move(writer.out);
}

Result<StartRecord> DecodeStartRecord(Bytes bytes) {
  if (bytes.size() > kMaxStartRecordBytes) return Fail(Code::kBadMessage, "the start record is too large");
  Reader reader(bytes);
  uint32_t magic = 0;
  StartRecord record;
  reader(magic);
  VisitFields(record, reader);
  if (magic != kRecordMagic || !reader.IsAtEnd()) return Fail(Code::kBadMessage, "the start record is malformed");
  return record;
}

}  // namespace reeve::wire
