#include "plugins/inventory/package_rows.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "plugins/inventory/text_table.h"

namespace reeve::inventory {
namespace {

using inventory_manifest::InventoryPackage;

// No line that matters is longer; those of others (Description, Depends) are not kept whole.
constexpr size_t kMaxLineBytes = 1024;

constexpr std::string_view kNoArchitecture = "(none)";

bool IsWord(std::string_view text) {
  return !text.empty() && text.size() <= kMaxPackageWordBytes &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\'; });
}

// The value of `line` when it is that field's.
std::optional<std::string_view> ValueOf(std::string_view line, std::string_view field) {
  if (!line.starts_with(field)) return std::nullopt;
  const std::vector<std::string_view> words = Words(line.substr(field.size()));
  return words.size() == 1 ? words[0] : std::string_view();
}

// `install ok installed`. Triggers that still have to run leave a package that works.
bool SaysInstalled(std::string_view line) {
  const std::vector<std::string_view> words = Words(line.substr(line.find(':') + 1));
  return words.size() == 3 &&
         (words[2] == "installed" || words[2] == "triggers-awaited" || words[2] == "triggers-pending");
}

Status Add(PackageRows& rows, InventoryPackage package) {
  if (!IsPlausible(package)) return {};
  if (rows.size() == kMaxPackages) {
    return Fail(Code::kTooLarge, "there are more than " + std::to_string(kMaxPackages) + " packages");
  }
  rows.push_back(std::move(package));
  return {};
}

// Nothing for what is no row of name, version and architecture.
std::optional<InventoryPackage> RpmRow(std::string_view line) {
  const size_t first = line.find('\t');
  const size_t second = first == std::string_view::npos ? first : line.find('\t', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  InventoryPackage package;
  package.name = line.substr(0, first);
  package.version = line.substr(first + 1, second - first - 1);
  package.architecture = line.substr(second + 1);
  return package;
}

}  // namespace

bool IsPlausible(const InventoryPackage& package) {
  return IsWord(package.name) && IsWord(package.version) && IsWord(package.architecture);
}

void SortPackages(PackageRows& rows) {
  std::ranges::sort(rows, {},
                    [](const InventoryPackage& row) { return std::tie(row.name, row.architecture, row.version); });
}

std::span<const InventoryPackage> WithPrefix(const PackageRows& rows, std::string_view prefix) {
  const auto beginning = [&](const InventoryPackage& row) {
    return std::string_view(row.name).substr(0, prefix.size());
  };
  const auto found = std::ranges::equal_range(rows, prefix, {}, beginning);
  return {found.begin(), found.end()};
}

Status DpkgStatusReader::Feed(std::string_view piece) {
  while (!piece.empty()) {
    const size_t end = piece.find('\n');
    const std::string_view part = piece.substr(0, end);
    line_.append(part.substr(0, kMaxLineBytes - line_.size()));
    if (end == std::string_view::npos) return {};
    piece.remove_prefix(end + 1);
    if (line_.empty()) {
      if (Status ended = EndParagraph(); !ended) return ended;
    } else {
      TakeLine();
    }
    line_.clear();
  }
  return {};
}

void DpkgStatusReader::TakeLine() {
  if (const auto name = ValueOf(line_, "Package:")) package_.name = *name;
  if (const auto version = ValueOf(line_, "Version:")) package_.version = *version;
  if (const auto architecture = ValueOf(line_, "Architecture:")) package_.architecture = *architecture;
  if (line_.starts_with("Status:")) is_installed_ = SaysInstalled(line_);
}

Status DpkgStatusReader::EndParagraph() {
  InventoryPackage package = std::exchange(package_, {});
  if (!std::exchange(is_installed_, false)) return {};
  return Add(rows_, std::move(package));
}

Result<PackageRows> DpkgStatusReader::Finish() {
  if (!line_.empty()) TakeLine();
  if (Status ended = EndParagraph(); !ended) return std::unexpected(ended.error());
  return std::move(rows_);
}

Result<PackageRows> RpmRowsIn(std::string_view output) {
  PackageRows rows;
  Status added;
  bool has_row = output.empty();
  ForEachLine(output, [&](std::string_view line) {
    auto package = RpmRow(line);
    has_row = has_row || package;
    if (added && package && package->architecture != kNoArchitecture) added = Add(rows, *std::move(package));
  });
  if (!added) return std::unexpected(added.error());
  if (!has_row) return Fail(Code::kBadMessage, "rpm printed no list of packages");
  return rows;
}

}  // namespace reeve::inventory
