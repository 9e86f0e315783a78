//! How a run's time is divided: keys of each function, and time for the later phases.

use std::time::Duration;

use crate::load::{profile::Profile, shell::TargetCommands};
use crate::phases::{
    capacity, cold_start, discovery::FunctionTraits, faults, session::FunctionLoad,
};

/// Goose's overhead per phase: its parent loop ticks twice a second.
const GOOSE: Duration = Duration::from_millis(900);

/// When the rounds must end, to leave time for the later phases.
pub(crate) fn end_of_rounds(
    profile: &Profile,
    traits: &[FunctionTraits],
    commands: &TargetCommands,
) -> Duration {
    let slowest = traits.iter().map(|traits| traits.origin).max();
    let slowest = slowest.unwrap_or_default();
    let bursts = u32::try_from(profile.bursts).unwrap_or(u32::MAX);
    let mixed = if profile.mixed.is_zero() {
        Duration::ZERO
    } else {
        profile.mixed + GOOSE * 2
    };
    end_of_bursts(profile, commands)
        .saturating_sub(mixed + (slowest + GOOSE).saturating_mul(bursts))
}

/// When the bursts must end.
pub(crate) fn end_of_bursts(profile: &Profile, commands: &TargetCommands) -> Duration {
    let capacity = profile.slo.map_or(Duration::ZERO, |_| capacity::DURATION);
    end_of_capacity(profile, commands).saturating_sub(capacity)
}

/// When the ramps of the capacity must end.
pub(crate) fn end_of_capacity(profile: &Profile, commands: &TargetCommands) -> Duration {
    profile.budget.saturating_sub(commands_time(commands))
}

/// The time of the phases that change the target.
fn commands_time(commands: &TargetCommands) -> Duration {
    let faults = faults::DURATION + GOOSE * 2;
    let restarts = cold_start::DURATION + GOOSE * cold_start::RESTARTS;
    let if_some = |wanted: bool, time: Duration| if wanted { time } else { Duration::ZERO };
    if_some(commands.fault.is_some(), faults) + if_some(commands.restart.is_some(), restarts)
}

/// Divides `time`, which lasts from now until the end of the rounds, over the functions.
pub(crate) fn divide(
    profile: &Profile,
    traits: &[FunctionTraits],
    time: Duration,
) -> Vec<FunctionLoad> {
    // Half of the bypass requests come before the cold ones, and half after the warm ones.
    let phases = 2 + 2 * u32::from(traits.iter().any(|traits| traits.bypass));
    let rounds = u32::try_from(profile.rounds).unwrap_or(u32::MAX).max(1);
    // 30 % are left for hits; the rest is for origin calls.
    let left = (time / rounds).saturating_sub(GOOSE * phases);
    let mut left = left.mul_f64(0.7).as_secs_f64();
    let mut order: Vec<usize> = (0..traits.len()).collect();
    order.sort_by_key(|index| traits[*index].origin);
    let keys = profile.keys;
    let mut loads = vec![FunctionLoad { keys }; traits.len()];
    for (position, index) in order.iter().enumerate() {
        let calls_a_key = if traits[*index].bypass { 2.0 } else { 1.0 };
        let one = traits[*index].origin.as_secs_f64().max(1e-6) * calls_a_key;
        let fair = left / (traits.len() - position) as f64;
        // Fewer keys, never more users: with more, the origin under load would be compared with
        // hits without any.
        let possible = (fair / one).floor().max(1.0) as usize;
        loads[*index].keys = profile.keys.min(possible);
        left = (left - one * loads[*index].keys as f64).max(0.0);
    }
    loads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::profile::ProfileName;

    fn traits(ms: u64) -> FunctionTraits {
        let origin = Duration::from_millis(ms);
        FunctionTraits {
            origin,
            concurrency: 4,
            ..FunctionTraits::default()
        }
    }

    fn quick(traits: &[FunctionTraits]) -> Vec<usize> {
        let profile = Profile::named(ProfileName::Quick);
        let commands = TargetCommands {
            fault: None,
            restart: None,
        };
        let time = end_of_rounds(&profile, traits, &commands) - Duration::from_secs(3);
        let loads = divide(&profile, traits, time);
        loads.iter().map(|load| load.keys).collect()
    }

    #[test]
    fn a_slow_origin_gets_fewer_keys_and_a_fast_one_all_of_them() {
        assert_eq!(quick(&[traits(1), traits(5)]), [75, 75]);
        assert_eq!(quick(&[traits(1), traits(100)]), [75, 41]);
        assert_eq!(quick(&[traits(3000), traits(1)]), [1, 75]);
        assert_eq!(quick(&[traits(3000)]), [1]);
    }
}
