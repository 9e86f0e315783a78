//! What is asked of a server in one exchange.

use super::{
    super::{
        Item, LookupOptions, LookupReply, StoreError,
        many::{Each, Write as ItemWrite},
    },
    connection::{Connection, Driver},
};
use crate::key::CacheKeys;

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    /// Sending it twice is not the same as sending it once.
    Write,
    /// An explicit verb: its caller asked for this server's word, so it is tried in any case.
    Verb,
}

/// One exchange with a server.
pub(super) trait Command: Sync {
    type Reply;
    const INTENT: Intent;

    fn run(
        &self,
        connection: &mut Connection,
    ) -> impl Future<Output = Result<Self::Reply, StoreError>> + Send;
}

/// A command: its fields, its reply, what it is for, and the method of both protocols that does it.
macro_rules! command {
    ($name:ident($($field:ident: $type:ty),*) -> $reply:ty, $intent:ident, $method:ident) => {
        pub(super) struct $name<'a> {
            $(pub(super) $field: $type,)*
        }

        impl Command for $name<'_> {
            type Reply = $reply;
            const INTENT: Intent = Intent::$intent;

            async fn run(&self, connection: &mut Connection) -> Result<$reply, StoreError> {
                match &mut connection.driver {
                    Driver::Classic(classic) => classic.$method($(self.$field),*).await,
                    Driver::Meta(meta) => meta.$method($(self.$field),*).await,
                }
            }
        }
    };
}

command!(Lookup(keys: &'a CacheKeys, options: LookupOptions) -> Box<LookupReply>, Read, lookup);
command!(
    LookupMany(all_keys: &'a [&'a CacheKeys], options: LookupOptions) -> Vec<LookupReply>,
    Read,
    lookup_many
);
command!(GetWithCas(keys: &'a [&'a str]) -> Vec<Option<Item>>, Read, get_with_cas);
command!(Write(writes: &'a [&'a ItemWrite<'a>]) -> Each<bool>, Write, write);
command!(Delete(key: &'a str) -> (), Verb, delete);

pub(super) struct Ping;

impl Command for Ping {
    type Reply = ();
    const INTENT: Intent = Intent::Verb;

    async fn run(&self, connection: &mut Connection) -> Result<(), StoreError> {
        match &mut connection.driver {
            Driver::Classic(classic) => classic.ping().await,
            Driver::Meta(meta) => meta.ping().await,
        }
    }
}
