//! What the companions for many keys call.

use std::{collections::HashMap, hash::Hash};

use super::{
    Codec, Coded, Function, Keep, Lent, Shape, Uncached, answer, boxed, capture_directive,
    prepared, writable,
};
use crate::{
    cache::Cache,
    error::CacheError,
    fetched::Fetched,
    key::{Key, KeyError},
    policy::Policy,
    telemetry::events::Event,
};

/// By what a value is found in the answer of `fetch_many`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of `fetch_many`",
    label = "the values of `fetch_many` are found by this argument",
    note = "it needs `Clone`, `Eq` and `Hash`: leave out `many`, or derive these"
)]
pub trait Listed: Clone + Eq + Hash {}
#[diagnostic::do_not_recommend]
impl<A: Clone + Eq + Hash> Listed for A {}

/// What `of` makes of each of `list`.
pub fn each<A, T>(list: Vec<A>, of: impl FnMut(A) -> T) -> Vec<T> {
    list.into_iter().map(of).collect()
}

/// Removes the entries of many keys.
pub async fn invalidate_many(
    cache: Option<Cache>,
    keys: Vec<Result<Key, KeyError>>,
) -> Result<(), CacheError> {
    let cache = cache.ok_or(CacheError::NotInstalled)?;
    let keys = keys.into_iter().collect::<Result<Vec<_>, _>>()?;
    cache.invalidate_many(keys).await
}

/// Stores values under many keys.
pub async fn put_many<R: Shape<KIND>, const KIND: u8, C: Codec<R::Value, R::Error>>(
    cache: Option<Cache>,
    function: Function,
    policy: &Policy,
    pairs: Vec<(Result<Key, KeyError>, &R::Value)>,
    _: C,
) -> Result<(), CacheError> {
    let cache = writable::<R::Value>(cache, function)?;
    let mut lent = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        lent.push((key?, Lent::<_, C, R::Error>::new(value)));
    }
    cache.put_many(lent, policy).await
}

/// A cached call for many keys, whose origin is called once for all that are missing.
pub async fn fetch_many<R, const KIND: u8, C, K, A, O, F, Fut>(
    cache: Option<Cache>,
    function: Function,
    policy: &Policy,
    keyed: Vec<(Result<Key, KeyError>, A)>,
    _: C,
    _: K,
    mut origin: F,
) -> R::FetchedMany<A>
where
    R: Shape<KIND>,
    C: Codec<R::Value, R::Error>,
    K: Keep<Coded<R::Value, C, R::Error>>,
    A: Listed,
    O: Shape<KIND, Error = R::Error, Value: IntoIterator<Item = (A, R::Value)>>,
    F: FnMut(Vec<A>) -> Fut,
    Fut: Future<Output = O>,
{
    let mut arguments = Vec::with_capacity(keyed.len());
    let mut keys = Ok(Vec::with_capacity(keyed.len()));
    for (key, argument) in keyed {
        arguments.push(argument);
        match (key, &mut keys) {
            (Ok(key), Ok(keys)) => keys.push(key),
            (Err(error), keys @ Ok(_)) => *keys = Err(error),
            (_, Err(_)) => {}
        }
    }
    R::wrap_many(match prepared::<R::Value, _>(cache, function, keys) {
        Ok((cache, keys)) => {
            let keyed = keys.into_iter().zip(arguments).collect();
            let origin = |missing| {
                let answers = boxed(|| origin(missing));
                async {
                    answers
                        .await
                        .into_result()
                        .map(coded::<_, _, C, R::Error, _>)
                }
            };
            let coded = cache.get_many_as::<K, _, _, _, _, _, _>(keyed, policy, origin);
            coded.await.map(|coded| {
                let each = coded.into_iter();
                // An absence is an argument that the origin does not answer.
                each.filter_map(|(argument, one)| Some((argument, answer(one).ok()?)))
                    .collect()
            })
        }
        Err(uncached) => {
            uncached
                .call_many(arguments, async |all| origin(all).await.into_result())
                .await
        }
    })
}

fn coded<A, V, C: Codec<V, E>, E, M: IntoIterator<Item = (A, V)>>(
    answers: M,
) -> impl Iterator<Item = (A, Coded<V, C, E>)> {
    let answers = answers.into_iter();
    answers.map(|(argument, value)| (argument, Coded::value(value)))
}

impl Uncached {
    /// As a cached call: one of the origin, with each argument once, and without answers for others.
    async fn call_many<A, T, E, M>(
        self,
        mut arguments: Vec<A>,
        origin: impl AsyncFnOnce(Vec<A>) -> Result<M, E>,
    ) -> Result<HashMap<A, Fetched<T>>, E>
    where
        A: Clone + Eq + Hash,
        M: IntoIterator<Item = (A, T)>,
    {
        let mut asked = std::collections::HashSet::with_capacity(arguments.len());
        arguments.retain(|argument| asked.insert(argument.clone()));
        if arguments.is_empty() {
            return Ok(HashMap::new());
        }
        let begun = tokio::time::Instant::now();
        let (answers, _) = capture_directive([], origin(arguments)).await;
        let answers = answers.inspect_err(|_| {
            self.publish(&Event::error(
                self.function.name(),
                std::time::Duration::ZERO,
            ));
        })?;
        let took = begun.elapsed();
        let answers = answers.into_iter();
        let answers = answers.filter(|(argument, _)| asked.contains(argument));
        let fetched = answers.map(|(argument, value)| {
            let fetched = self.fetched(value, took);
            self.publish(&Event::value(self.function.name(), &fetched));
            (argument, fetched)
        });
        Ok(fetched.collect())
    }
}
