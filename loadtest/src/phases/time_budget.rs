//! How a run's time is shared: keys and users of each function, and what the later phases need. Owns the arithmetic;
//! asks nothing.

use std::time::Duration;

use crate::load::profile::Profile;
use crate::load::shell::Commands;
use crate::phases::discovery::Facts;
use crate::phases::session::Share;
use crate::phases::{cold_start, faults};

/// What Goose takes for one phase beyond its work: its parent loop ticks twice a second.
const GOOSE: Duration = Duration::from_millis(900);

/// When the rounds must end, so that the phases after them have their time.
pub(crate) fn end_of_rounds(profile: &Profile, facts: &[Facts], commands: &Commands) -> Duration {
    let slowest = facts
        .iter()
        .map(|facts| facts.origin)
        .max()
        .unwrap_or_default();
    let bursts = u32::try_from(profile.bursts).unwrap_or(u32::MAX);
    let mixed = if profile.mixed.is_zero() {
        Duration::ZERO
    } else {
        profile.mixed + GOOSE * 2
    };
    end_of_bursts(profile, commands)
        .saturating_sub(mixed + (slowest + GOOSE).saturating_mul(bursts))
}

/// When the bursts must be over.
pub(crate) fn end_of_bursts(profile: &Profile, commands: &Commands) -> Duration {
    profile.budget.saturating_sub(commands_take(commands))
}

/// What the phases take that change the target.
fn commands_take(commands: &Commands) -> Duration {
    let faults = faults::LASTING + GOOSE * 2;
    let restarts = cold_start::LASTING + GOOSE * cold_start::RESTARTS;
    let if_some = |wanted: bool, time: Duration| if wanted { time } else { Duration::ZERO };
    if_some(commands.fault.is_some(), faults) + if_some(commands.restart.is_some(), restarts)
}

/// Shares `room`, from now until the end of the rounds, over the functions.
pub(crate) fn share(profile: &Profile, facts: &[Facts], room: Duration) -> Vec<Share> {
    let phases = if facts.iter().any(|facts| facts.bypass) {
        3
    } else {
        2
    };
    let rounds = u32::try_from(profile.rounds).unwrap_or(u32::MAX).max(1);
    // Hits take their time as well; the rest is the origins'.
    let mut left = (room / rounds)
        .saturating_sub(GOOSE * phases)
        .mul_f64(0.7)
        .as_secs_f64();
    let mut order: Vec<usize> = (0..facts.len()).collect();
    order.sort_by_key(|index| facts[*index].origin);
    let mut shares = vec![
        Share {
            users: 1,
            keys: profile.keys
        };
        facts.len()
    ];
    for (position, index) in order.iter().enumerate() {
        let calls_a_key = if facts[*index].bypass { 2.0 } else { 1.0 };
        let one = facts[*index].origin.as_secs_f64().max(1e-6) * calls_a_key;
        let fair = left / (facts.len() - position) as f64;
        if one * profile.keys as f64 > fair {
            let users = facts[*index].side_by_side;
            let batches = (fair / one).floor().max(1.0) as usize;
            shares[*index] = Share {
                users,
                keys: profile.keys.min(users * batches),
            };
        }
        left = (left - one * shares[*index].keys.div_ceil(shares[*index].users) as f64).max(0.0);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::profile::Name;

    fn facts(ms: u64, side_by_side: usize) -> Facts {
        let origin = Duration::from_millis(ms);
        Facts {
            canary: String::new(),
            origin,
            instances: None,
            side_by_side,
            bypass: false,
        }
    }

    fn quick(facts: &[Facts]) -> Vec<(usize, usize)> {
        let profile = Profile::named(Name::Quick);
        let commands = Commands {
            fault: None,
            restart: None,
        };
        let room = end_of_rounds(&profile, facts, &commands) - Duration::from_secs(3);
        share(&profile, facts, room)
            .iter()
            .map(|share| (share.users, share.keys))
            .collect()
    }

    #[test]
    fn one_user_where_it_fits_more_where_not_and_fewer_keys_at_last() {
        assert_eq!(quick(&[facts(1, 4), facts(5, 4)]), [(1, 75), (1, 75)]);
        assert_eq!(quick(&[facts(1, 4), facts(100, 4)]), [(1, 75), (4, 75)]);
        assert_eq!(quick(&[facts(3000, 4), facts(1, 4)]), [(4, 4), (1, 75)]);
        assert_eq!(quick(&[facts(3000, 1)]), [(1, 1)]);
    }
}
