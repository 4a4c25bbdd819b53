#include "tools/reevectl/status_text.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include "base/json_text.h"

namespace reeve::reevectl {
namespace {

using json::Value;

constexpr size_t kWidth = 80;
constexpr size_t kLabelWidth = 10;

// ---- reading the reply ----

const std::string& TextOf(const Value& object, std::string_view key) {
  static const std::string kNone;
  const Value* value = object.Find(key);
  const std::string* text = value == nullptr ? nullptr : value->As<std::string>();
  return text == nullptr ? kNone : *text;
}

int64_t NumberOf(const Value& object, std::string_view key) {
  const Value* value = object.Find(key);
  const int64_t* number = value == nullptr ? nullptr : value->As<int64_t>();
  return number == nullptr ? 0 : *number;
}

bool IsTrue(const Value& object, std::string_view key) {
  const Value* value = object.Find(key);
  const bool* is_true = value == nullptr ? nullptr : value->As<bool>();
  return is_true != nullptr && *is_true;
}

const json::List& ListOf(const Value& object, std::string_view key) {
  static const json::List kNone;
  const Value* value = object.Find(key);
  const json::List* list = value == nullptr ? nullptr : value->As<json::List>();
  return list == nullptr ? kNone : *list;
}

const Value& ObjectOf(const Value& object, std::string_view key) {
  static const Value kNone{json::Object()};
  const Value* value = object.Find(key);
  return value == nullptr ? kNone : *value;
}

std::vector<std::string> TextsOf(const Value& object, std::string_view key) {
  std::vector<std::string> texts;
  for (const Value& value : ListOf(object, key)) {
    if (const std::string* text = value.As<std::string>()) texts.push_back(*text);
  }
  return texts;
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

// ---- columns ----

// In columns, near enough: code points.
size_t WidthOf(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

// Appends `text` behind `indent` columns that are already written, broken at spaces.
void AppendWrapped(std::string& out, std::string_view text, size_t indent) {
  size_t column = indent;
  for (bool is_first = true; !text.empty(); is_first = false) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!is_first && column + 1 + WidthOf(word) > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!is_first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += WidthOf(word);
  }
  out += '\n';
}

void AppendLabelled(std::string& out, std::string_view label, std::string_view text) {
  if (text.empty()) return;
  out += std::string(kLabelWidth - label.size(), ' ') + std::string(label) + ": ";
  AppendWrapped(out, Harmless(text), kLabelWidth + 2);
}

void AppendEach(std::string& out, std::string_view label, const std::vector<std::string>& texts) {
  bool is_first = true;
  for (const std::string& text : texts) {
    if (is_first) {
      AppendLabelled(out, label, text);
    } else {
      out += std::string(kLabelWidth + 2, ' ');
      AppendWrapped(out, Harmless(text), kLabelWidth + 2);
    }
    is_first = false;
  }
}

// Aligned columns under a headline. The last one is free: it may be long, and then goes to a line of its own.
class Table {
 public:
  struct Column {
    const char* title;
    bool is_number = false;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Lines that follow the row, indented.
  void Add(std::vector<std::string> cells, std::vector<std::string> remarks = {}) {
    for (std::string& cell : cells) cell = Harmless(cell);
    rows_.push_back({std::move(cells), std::move(remarks)});
  }

  void AppendTo(std::string& out) const {
    if (rows_.empty()) return;
    out += '\n';
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.emplace_back(column.title);
    AppendRow(out, titles);
    for (const Row& row : rows_) {
      AppendRow(out, row.cells);
      for (const std::string& remark : row.remarks) {
        out += "  ";
        AppendWrapped(out, Harmless(remark), 4);
      }
    }
  }

 private:
  struct Row {
    std::vector<std::string> cells;
    std::vector<std::string> remarks;
  };

  size_t WidthOfColumn(size_t index) const {
    size_t width = WidthOf(columns_[index].title);
    for (const Row& row : rows_) width = std::max(width, WidthOf(row.cells[index]));
    return width;
  }

  void AppendRow(std::string& out, const std::vector<std::string>& cells) const {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      const bool is_last = i + 1 == cells.size();
      const std::string padding(WidthOfColumn(i) - WidthOf(cells[i]), ' ');
      if (is_last && !columns_[i].is_number && WidthOf(line) + WidthOf(cells[i]) > kWidth) {
        while (line.ends_with(' ')) line.pop_back();
        line += "\n    ";
      }
      line += columns_[i].is_number ? padding + cells[i] : cells[i] + (is_last ? "" : padding);
      if (!is_last) line += "  ";
    }
    out += line + '\n';
  }

  const std::vector<Column> columns_;
  std::vector<Row> rows_;
};

// ---- the parts ----

std::string Headline(const Value& status, const StatusView& view) {
  const bool is_running = TextOf(status, "state") == "running";
  const bool is_frozen = IsTrue(ObjectOf(status, "freeze"), "is-frozen");
  const std::string dot = view.has_unicode ? "\u25CF" : "*";
  const std::string color = is_running && !is_frozen ? "\033[32m" : "\033[33m";
  return (view.has_color ? color + dot + "\033[0m" : dot) + " Reeve " + Harmless(TextOf(status, "version")) + ", " +
         Harmless(TextOf(status, "state")) + (is_frozen ? ", file systems frozen" : "") + "\n";
}

std::string SinceText(int64_t started_at_s, int64_t now_s) {
  const std::time_t started = started_at_s;
  std::tm local{};
  char text[64];
  if (::localtime_r(&started, &local) == nullptr) return "";
  const size_t size = std::strftime(text, sizeof text, "%a %Y-%m-%d %H:%M:%S %Z", &local);
  return std::string(text, size) + "; " + AgoText(now_s - started_at_s);
}

std::string PolicyText(const Value& policy) {
  std::string text = "profile " + TextOf(policy, "profile");
  if (const std::string& file = TextOf(policy, "file"); !file.empty()) text += ", " + file;
  text += ", generation " + std::to_string(NumberOf(policy, "generation"));
  if (!IsTrue(policy, "is-as-written")) text += "; not as its files say";
  return text;
}

std::string FreezeText(const Value& freeze) {
  if (IsTrue(freeze, "is-frozen")) {
    const std::string text = "yes, for " + AgoText(NumberOf(freeze, "seconds"));
    if (freeze.Find("seconds-left") == nullptr) return text + ", until the host thaws";
    return text + "; thawed by itself in " + AgoText(NumberOf(freeze, "seconds-left"));
  }
  const Value& last = ObjectOf(freeze, "last");
  if (TextOf(last, "why").empty()) return "no";
  return "no; the last time for " + AgoText(NumberOf(last, "seconds")) + ", until " +
         AgoText(NumberOf(last, "seconds-ago")) + " ago: " + Harmless(TextOf(last, "why"));
}

std::string SandboxText(const Value& sandbox) {
  std::vector<std::string> parts;
  if (IsTrue(sandbox, "seccomp")) parts.emplace_back("seccomp");
  if (const int64_t level = NumberOf(sandbox, "landlock"); level > 0)
    parts.push_back("Landlock " + std::to_string(level));
  if (IsTrue(sandbox, "is-privileged")) parts.emplace_back("namespaces, a uid for each process");
  if (IsTrue(sandbox, "control-groups")) {
    const std::string controllers = Joined(TextsOf(sandbox, "controllers"));
    parts.push_back("control groups (" + (controllers.empty() ? "no controllers" : controllers) + ")");
  }
  return Joined(parts);
}

std::string CoreText(const Value& core) {
  if (NumberOf(core, "starts") <= 1) return "";
  return "started " + std::to_string(NumberOf(core, "starts")) +
         " times, the one before ended: " + TextOf(core, "last-end");
}

void AppendChannels(std::string& out, const Value& status) {
  Table table({{"CHANNEL"}, {"PROTOCOL"}, {"TRANSPORT"}, {"STATE"}, {"CLIENTS", true}, {"PATH"}});
  for (const Value& channel : ListOf(status, "channels")) {
    std::vector<std::string> remarks;
    if (const std::string& why = TextOf(channel, "why"); !why.empty()) remarks.push_back(why);
    table.Add({TextOf(channel, "name"), TextOf(channel, "protocol"), TextOf(channel, "transport"),
               TextOf(channel, "state"), std::to_string(NumberOf(channel, "clients")), TextOf(channel, "path")},
              std::move(remarks));
  }
  table.AppendTo(out);
}

std::string MemoryText(const StatusView& view, int64_t pid) {
  if (!view.memory_kib) return "";
  const auto kib = view.memory_kib(static_cast<uint32_t>(pid));
  if (!kib) return "-";
  return *kib < 10 * 1024 ? std::to_string(*kib) + " K" : std::to_string(*kib / 1024) + " M";
}

void AppendProcesses(std::string& out, const Value& status, const StatusView& view) {
  Table table({{"PROCESS"}, {"PID", true}, {"UID", true}, {"MEMORY", true}});
  for (const Value& process : ListOf(status, "processes")) {
    const int64_t pid = NumberOf(process, "pid");
    table.Add({TextOf(process, "name"), std::to_string(pid), std::to_string(NumberOf(process, "uid")),
               MemoryText(view, pid)});
  }
  table.AppendTo(out);
}

std::vector<std::string> RemarksOf(const Value& plugin) {
  std::vector<std::string> remarks;
  if (const std::string& note = TextOf(plugin, "note"); !note.empty()) remarks.push_back(note);
  if (const Value* crash = plugin.Find("last-crash")) {
    std::string text = "last crash " + AgoText(NumberOf(*crash, "seconds-ago")) + " ago: " + TextOf(*crash, "text");
    if (const std::string& call = TextOf(*crash, "system-call"); !call.empty()) text += ", at system call " + call;
    remarks.push_back(std::move(text));
  }
  if (const int64_t refused = NumberOf(plugin, "refused-requests"); refused > 0)
    remarks.push_back("requests that are refused because they crashed it: " + std::to_string(refused));
  return remarks;
}

void AppendPlugins(std::string& out, const Value& status) {
  Table table(
      {{"PLUGIN"}, {"VERSION"}, {"STATE"}, {"HELD", true}, {"BUSY", true}, {"STARTS", true}, {"CRASHES", true}});
  for (const Value& plugin : ListOf(status, "plugins")) {
    const auto number = [&](const char* key) { return std::to_string(NumberOf(plugin, key)); };
    table.Add({TextOf(plugin, "name"), TextOf(plugin, "version"), TextOf(plugin, "state"), number("held"),
               number("in-flight"), number("starts"), number("crashes")},
              RemarksOf(plugin));
  }
  table.AppendTo(out);
}

// Controls of a terminal (C0, DEL, C1), and what turns the direction of text or hides.
bool IsHarmful(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || code >= 0xE0000;
}

}  // namespace

std::string Harmless(std::string_view text) {
  std::string harmless;
  json::Utf8Decoder decoder;
  size_t begin = 0;  // of the sequence under way
  for (size_t i = 0; i < text.size();) {
    const auto step = decoder.Push(static_cast<uint8_t>(text[i]));
    if (step != json::Utf8Decoder::Step::kTruncated) ++i;
    if (step == json::Utf8Decoder::Step::kMore) continue;
    const bool is_shown = step == json::Utf8Decoder::Step::kValid && !IsHarmful(decoder.code_point());
    harmless += is_shown ? text.substr(begin, i - begin) : "?";
    begin = i;
  }
  if (decoder.is_pending()) harmless += '?';
  return harmless;
}

std::string AgoText(int64_t seconds) {
  constexpr int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  if (seconds <= 0) return "now";
  if (seconds < kMinute) return std::to_string(seconds) + "s";
  if (seconds < kHour) return std::to_string(seconds / kMinute) + "min";
  if (seconds < kDay) return std::to_string(seconds / kHour) + "h " + std::to_string(seconds % kHour / kMinute) + "min";
  return std::to_string(seconds / kDay) + "d " + std::to_string(seconds % kDay / kHour) + "h";
}

std::string StatusText(const Value& status, const StatusView& view) {
  const Value& policy = ObjectOf(status, "policy");
  const Value& sandbox = ObjectOf(status, "sandbox");
  std::string out = Headline(status, view);
  AppendLabelled(out, "Since", SinceText(NumberOf(status, "started-at"), view.now_s));
  AppendLabelled(out, "Policy", PolicyText(policy));
  AppendLabelled(out, "Frozen", FreezeText(ObjectOf(status, "freeze")));
  AppendLabelled(out, "Sandbox", SandboxText(sandbox));
  AppendEach(out, "Missing", TextsOf(sandbox, "missing"));
  AppendLabelled(out, "Core", CoreText(ObjectOf(status, "core")));
  AppendEach(out, "Warnings", TextsOf(policy, "warnings"));
  AppendEach(out, "Problems", TextsOf(status, "problems"));
  AppendChannels(out, status);
  AppendProcesses(out, status, view);
  AppendPlugins(out, status);
  return out;
}

}  // namespace reeve::reevectl
