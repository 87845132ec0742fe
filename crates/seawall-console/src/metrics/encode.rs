//! Families of metrics in the OpenMetrics format.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::labels::Label;
use super::{Counts, Counts2, Histogram, NAMES_MAX, Named, Origin};

/// Writes one family after another.
pub(super) struct Encoder<'a>(DescriptorEncoder<'a>);

impl<'a> Encoder<'a> {
    pub(super) const fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        count(&mut self.0.encode_descriptor(name, help, None, MetricType::Counter)?, value)
    }

    pub(super) fn counter_of(&mut self, name: &str, help: &str, unit: &Unit, value: u64) -> fmt::Result {
        count(&mut self.0.encode_descriptor(name, help, Some(unit), MetricType::Counter)?, value)
    }

    pub(super) fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    pub(super) fn gauge_of(&mut self, name: &str, help: &str, unit: &Unit, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, Some(unit), MetricType::Gauge)?.encode_gauge(&value)
    }

    pub(super) fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    pub(super) fn counters<L: Label>(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        counts: &Counts<L>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        L::ALL.iter().try_for_each(|&label| {
            count(&mut family.encode_family(&[(key, label.token())])?, counts.of(label))
        })
    }

    pub(super) fn counters2<L: Label, M: Label>(
        &mut self,
        name: &str,
        help: &str,
        keys: [&str; 2],
        counts: &Counts2<L, M>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        pairs(&mut family, keys, counts)
    }

    pub(super) fn bytes<L: Label, M: Label>(
        &mut self,
        name: &str,
        help: &str,
        keys: [&str; 2],
        counts: &Counts2<L, M>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
        pairs(&mut family, keys, counts)
    }

    pub(super) fn token_gauges(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        values: &[(&'static str, u64)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values
            .iter()
            .try_for_each(|(token, value)| family.encode_family(&[(key, *token)])?.encode_gauge(value))
    }

    pub(super) fn tokens(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        counts: &[(&'static str, u64)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        // A token given twice is one series.
        let mut sums = BTreeMap::<&str, u64>::new();
        for &(token, value) in counts {
            *sums.entry(token).or_default() += value;
        }
        sums.into_iter()
            .try_for_each(|(token, value)| count(&mut family.encode_family(&[(key, token)])?, value))
    }

    /// One gauge for each state: 1 for those that hold.
    pub(super) fn states(
        &mut self,
        name: &str,
        help: &str,
        key: &str,
        states: &[(&'static str, bool)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        states.iter().try_for_each(|&(state, holds)| {
            family.encode_family(&[(key, state)])?.encode_gauge(&u64::from(holds))
        })
    }

    pub(super) fn named(&mut self, name: &str, help: &str, key: &str, counts: &[Named]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        let mut sums = BTreeMap::<(&str, &str), u64>::new();
        for (index, one) in counts.iter().enumerate() {
            let shown = if index < NAMES_MAX { one.name.as_str() } else { OTHER };
            let mode = one.mode.token();
            *sums.entry((shown, mode)).or_default() += one.count;
        }
        sums.into_iter().try_for_each(|((name, mode), value)| {
            count(&mut family.encode_family(&[(key, name), ("mode", mode)])?, value)
        })
    }

    pub(super) fn origin_exchanges(&mut self, origins: &[Cow<'_, Origin>]) -> fmt::Result {
        let help = "Exchanges with the origin";
        let mut family =
            self.0.encode_descriptor("seawall_origin_exchanges", help, None, MetricType::Counter)?;
        origins.iter().try_for_each(|origin| {
            let labels = |outcome| [("origin", origin.name.as_str()), ("outcome", outcome)];
            count(&mut family.encode_family(&labels("answered"))?, origin.answered)?;
            count(&mut family.encode_family(&labels("failed"))?, origin.failed)
        })
    }

    pub(super) fn origin_gauge(
        &mut self,
        name: &str,
        help: &str,
        origins: &[Cow<'_, Origin>],
        value: fn(&Origin) -> u64,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        origins.iter().try_for_each(|origin| {
            family.encode_family(&[("origin", origin.name.as_str())])?.encode_gauge(&value(origin))
        })
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let mut buckets = histogram.buckets.clone();
        buckets.push((f64::INFINITY, histogram.beyond));
        let total = buckets.iter().map(|bucket| bucket.1).sum();
        let mut metric = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(histogram.sum, total, &buckets, None)
    }
}

/// The first origins of each name, and the sum of those for which there is no room.
pub(super) fn capped_origins(origins: &[Origin]) -> Vec<Cow<'_, Origin>> {
    let mut shown: Vec<Cow<'_, Origin>> = Vec::with_capacity(origins.len().min(NAMES_MAX + 1));
    let mut positions = BTreeMap::<&str, usize>::new();
    for origin in origins {
        let name = if positions.len() < NAMES_MAX || positions.contains_key(origin.name.as_str()) {
            origin.name.as_str()
        } else {
            OTHER
        };
        if let Some(&position) = positions.get(name) {
            let sum = shown[position].to_mut();
            sum.answered += origin.answered;
            sum.failed += origin.failed;
            sum.available &= origin.available;
            sum.connections_open += origin.connections_open;
            sum.queued += origin.queued;
        } else {
            positions.insert(name, shown.len());
            shown.push(match name == origin.name {
                true => Cow::Borrowed(origin),
                false => Cow::Owned(Origin { name: name.to_owned(), ..origin.clone() }),
            });
        }
    }
    shown
}

fn pairs<L: Label, M: Label>(
    family: &mut MetricEncoder<'_>,
    keys: [&str; 2],
    counts: &Counts2<L, M>,
) -> fmt::Result {
    for &first in L::ALL {
        for &second in M::ALL {
            let labels = [(keys[0], first.token()), (keys[1], second.token())];
            count(&mut family.encode_family(&labels)?, counts.of(first, second))?;
        }
    }
    Ok(())
}

fn count(metric: &mut MetricEncoder<'_>, value: u64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

/// Stands for the names beyond the bound; no rule, limit or origin can be called so.
const OTHER: &str = "(other)";
