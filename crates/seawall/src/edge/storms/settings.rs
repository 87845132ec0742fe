//! From the configuration to what the watch is told.

use seawall_config::Config;
use seawall_config::config::{Auto as ConfiguredAuto, DetectConfig, LeastRise, OnlyAbove, StormPolicy};
use seawall_storm::{
    Above, Auto, Cost, Declared, Hysteresis, Policy, Settings, SitePolicy, Stages, WatchSettings,
};

pub(crate) fn watch(config: &Config) -> WatchSettings {
    WatchSettings {
        detect: detect(&config.detect),
        hysteresis: Hysteresis {
            pause_after: config.detect.pause_time,
            clear_after: config.detect.clear_time,
            ..Hysteresis::default()
        },
        policy: policy(&config.storms),
        sites: config
            .sites
            .iter()
            .map(|site| SitePolicy { hosts: site.hosts.clone(), policy: policy(&site.storms) })
            .collect(),
        declared: config
            .declared_good
            .iter()
            .map(|good| Declared { name: good.name.clone(), conditions: good.conditions.clone() })
            .collect(),
    }
}

/// How many rules of the machine may be in force at once, whatever the site: the bound that the rulebook holds.
pub(super) fn most_rules(config: &Config) -> usize {
    config.sites.iter().map(|site| site.storms.most_rules).max().unwrap_or(config.storms.most_rules)
}

fn detect(detect: &DetectConfig) -> Settings {
    let LeastRise { requests, bytes, origin_bytes, origin_time } = &detect.least_rise;
    let usual = Settings::default();
    let usual_memory = DetectConfig::default().memory as f64;
    // The samples are nearly all that takes memory, and each of them grows with it.
    let scaled = |specimens: usize| (specimens as f64 * detect.memory as f64 / usual_memory) as usize;
    Settings {
        share_min: detect.least_share.as_fraction(),
        floor: Cost([*requests as f64, *bytes as f64, *origin_bytes as f64, origin_time.as_micros() as f64]),
        lasting: detect.least_time,
        learning: detect.learning_time,
        present_max: scaled(usual.present_max),
        past_max: scaled(usual.past_max),
        hour_max: scaled(usual.hour_max),
        ..usual
    }
}

fn policy(policy: &StormPolicy) -> Policy {
    Policy {
        auto: match policy.auto {
            ConfiguredAuto::Off => Auto::Off,
            ConfiguredAuto::Propose => Auto::Propose,
            ConfiguredAuto::Limit => Auto::Limit,
            ConfiguredAuto::Deny => Auto::Deny,
        },
        confidence_min: policy.least_confidence.as_fraction(),
        collateral_max: policy.most_collateral.as_fraction(),
        rules_max: policy.most_rules,
        life: policy.life,
        life_max: policy.longest_life,
        renew: policy.renew,
        above: above(&policy.only_above),
        stages: Stages {
            observe: policy.observe_time,
            part: policy.part_time,
            part_share: f64::from(policy.part.as_percent()) / 100.0,
            retry_after: policy.retry_time,
            retry_after_max: policy.longest_retry_time,
        },
    }
}

fn above(above: &OnlyAbove) -> Above {
    Above {
        requests: above.requests.map(|requests| requests as f64),
        origin_busy: above.origin_busy.map(|busy| busy as f64),
        server_errors: above.server_errors.map(seawall_config::Share::as_fraction),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_configuration_are_those_of_the_watch() {
        assert_eq!(policy(&StormPolicy::default()), Policy::default());
        assert_eq!(detect(&DetectConfig::default()), Settings::default());
        let (usual, detect) = (Hysteresis::default(), DetectConfig::default());
        assert_eq!((detect.pause_time, detect.clear_time), (usual.pause_after, usual.clear_after));
    }

    #[test]
    fn twice_the_memory_holds_twice_the_samples() {
        let usual = DetectConfig::default();
        let twice = detect(&DetectConfig { memory: 2 * usual.memory, ..usual });
        assert_eq!(twice.past_max, 2 * Settings::default().past_max);
    }
}
