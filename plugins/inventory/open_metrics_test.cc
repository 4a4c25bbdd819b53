#include "plugins/inventory/open_metrics.h"

#include <gtest/gtest.h>

#include <limits>

namespace reeve::inventory {
namespace {

using Type = OpenMetrics::Type;

TEST(OpenMetricsTest, CountersEndInTotalAndTheTextInEof) {
  OpenMetrics metrics;
  metrics.BeginFamily("a_seconds", Type::kCounter, "seconds");
  metrics.AddDecimal({{"cpu", "0"}, {"mode", "idle"}}, 1234, 3);
  metrics.BeginFamily("b", Type::kGauge);
  metrics.Add({}, uint64_t{18446744073709551615u});
  EXPECT_EQ(metrics.Finish(),
            "# TYPE a_seconds counter\n"
            "# UNIT a_seconds seconds\n"
            "a_seconds_total{cpu=\"0\",mode=\"idle\"} 1.234\n"
            "# TYPE b gauge\n"
            "b 18446744073709551615\n"
            "# EOF\n");
}

TEST(OpenMetricsTest, FamiliesWithoutSamplesAreLeftOut) {
  OpenMetrics metrics;
  metrics.BeginFamily("a", Type::kGauge);
  metrics.Add({}, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(metrics.Finish(), "# EOF\n");
}

TEST(OpenMetricsTest, LabelsAreEscaped) {
  OpenMetrics metrics;
  metrics.BeginFamily("a", Type::kGauge);
  metrics.Add({{"mountpoint", "/a \"b\"\\\n{c=\"d\"} 1"}}, 0.5);
  EXPECT_EQ(metrics.Finish(),
            "# TYPE a gauge\n"
            "a{mountpoint=\"/a \\\"b\\\"\\\\\\n{c=\\\"d\\\"} 1\"} 0.5\n"
            "# EOF\n");
}

TEST(OpenMetricsTest, DecimalsAreExact) {
  OpenMetrics metrics;
  metrics.BeginFamily("a", Type::kGauge);
  metrics.AddDecimal({}, 0, 6);
  metrics.AddDecimal({}, 7, 3);
  metrics.AddDecimal({}, 18446744073709551615u, 6);
  EXPECT_EQ(metrics.Finish(), "# TYPE a gauge\na 0.000000\na 0.007\na 18446744073709.551615\n# EOF\n");
}

}  // namespace
}  // namespace reeve::inventory
