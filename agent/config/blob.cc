#include "agent/config/blob.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <string>

#include "agent/config/blob_archive.h"
#include "agent/config/config_check.h"
#include "base/digest.h"
#include "base/sys.h"

namespace reeve::config {
namespace {

constexpr char kMagic[8] = {'R', 'E', 'E', 'V', 'C', 'F', 'G', '\n'};
// Changes when the meaning of a field changes; a field more or less changes `record_bytes` by itself.
constexpr uint32_t kLayoutVersion = 1;
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

struct Header {
  char magic[8];
  uint32_t layout_version;
  uint32_t record_bytes;  // of the Config record, which follows this header
  uint64_t total_bytes;
  uint64_t checksum;  // of everything behind this header. It is no proof of origin; owner and seals are
};
static_assert(sizeof(Header) == 32);

Header HeaderOf(Bytes block) {
  Header header = {};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.layout_version = kLayoutVersion;
  header.record_bytes = static_cast<uint32_t>(blob::SizeOf<Config>());
  header.total_bytes = block.size();
  header.checksum = DigestOf(block.subspan(sizeof header));
  return header;
}

std::unexpected<Error> Bad(const std::string& what) {
  return Fail(Code::kBadMessage, "compiled configuration: " + what);
}

Status CheckHeader(Bytes block) {
  Header header;
  ByteReader reader(block);
  if (block.size() > kMaxBlobBytes) return Bad("too large");
  if (!reader.Take(header) || std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return Bad("not one at all");
  const Header expected = HeaderOf(block);
  if (header.layout_version != expected.layout_version || header.record_bytes != expected.record_bytes) {
    return Bad("written by another version");
  }
  if (header.total_bytes != expected.total_bytes) return Bad("cut short or grown");
  if (header.checksum != expected.checksum) return Bad("damaged: the checksum differs");
  if (block.size() < sizeof header + header.record_bytes) return Bad("cut short");
  return {};
}

}  // namespace

Result<std::vector<uint8_t>> Encode(const Config& config) {
  REEVE_TRY(Check(config));
  blob::Writer writer;
  writer.Allocate(sizeof(Header));
  writer.Record(writer.Allocate(blob::SizeOf<Config>()), config);
  if (writer.block().size() > kMaxBlobBytes) return Fail(Code::kTooLarge, "compiled configuration: larger than 8 MiB");
  const Header header = HeaderOf(writer.block());
  std::memcpy(writer.block().data(), &header, sizeof header);
  return std::move(writer.block());
}

Result<Config> Decode(Bytes bytes) {
  REEVE_TRY(CheckHeader(bytes));
  Config config;
  blob::Reader reader(bytes, sizeof(Header) + blob::SizeOf<Config>());
  reader.Record(sizeof(Header), config);
  if (reader.problem() != nullptr) {
    return Bad(std::string(reader.problem()) + " (at byte " + std::to_string(reader.problem_at()) + ")");
  }
  if (reader.next_part() != bytes.size()) return Bad("bytes that belong to nothing");
  REEVE_TRY(Check(config));
  return config;
}

Result<UniqueFd> ToSealedFile(Bytes bytes) {
  if (bytes.size() > kMaxBlobBytes) return Fail(Code::kTooLarge, "compiled configuration: larger than 8 MiB");
  UniqueFd fd = REEVE_TRY(sys::MemoryFile("reeve-config", 0));
  REEVE_TRY(sys::WriteAll(fd.get(), bytes));
  REEVE_TRY(sys::AddSeals(fd.get(), kSeals));
  return fd;
}

Result<Config> FromSealedFile(int fd) {
  const int seals = REEVE_TRY(sys::Seals(fd));
  if ((seals & kSeals) != kSeals) return Bad("its memory file is not sealed");
  const struct stat status = REEVE_TRY(sys::Stat(fd));
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0 || size > kMaxBlobBytes) return Bad("its memory file is empty or too large");
  const sys::Mapping mapping = REEVE_TRY(sys::Map(fd, size, PROT_READ, MAP_PRIVATE));
  return Decode(mapping.bytes());
}

}  // namespace reeve::config
