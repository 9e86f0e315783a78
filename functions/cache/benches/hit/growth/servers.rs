//! A hit on two servers and on four, compared with one: the keys are spread over all of them.

use std::error::Error;

use larder_testing::Memcached;

use crate::{
    contest::Contest,
    crowd::{Crowd, Spread},
    layout::Layout,
    row::Limit,
    value::Decoded,
};

const LAYOUT: Layout = Layout::CrossCore;

pub(super) fn measure() -> Result<(), Box<dyn Error>> {
    let servers = (0..4)
        .map(|_| LAYOUT.memcached(&[]))
        .collect::<Result<Vec<_>, _>>()?;
    for (who, spread) in [
        ("a hit, callers: 1", Spread { tasks: 1, keys: 64 }),
        ("a hit, callers: 64", Spread::own_key(64)),
    ] {
        // A namespace for each crowd, since all of them share the first server.
        let crowd = |count: usize| {
            let namespace = format!("servers-{count}-{}", spread.tasks);
            Crowd::<Decoded>::new(&url(&servers[..count]), &namespace, spread)
        };
        let mut contest = Contest::new(LAYOUT.name(), crowd(1)?);
        for count in [2, 4] {
            let what = format!("{who}, servers: {count} against 1");
            contest.enter("P8", what, Limit::NoTarget, crowd(count)?);
        }
        contest.report()?;
    }
    Ok(())
}

fn url(servers: &[Memcached]) -> String {
    let hosts: Vec<_> = servers
        .iter()
        .map(|server| format!("127.0.0.1:{}", server.port()))
        .collect();
    format!("memcached://{}", hosts.join(","))
}
