//! The traits that arguments and values must implement, checked once, where the user wrote them.
//!
//! The generated code requires them nowhere else: the key takes the output of [`part`], everything
//! else that of [`value`]. So a missing trait is one error, and not one for each companion.

use std::{fmt, marker::PhantomData, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Visitor},
};

use super::Shape;
use crate::{
    key::{KeyError, Tuple},
    near::{AsBytes, Keep, Stored},
    payload::{ABSENT, Payload},
    policy::Policy,
};

/// What can be part of a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a key",
    label = "this argument does not implement `serde::Serialize`",
    note = "leave it out of the key with `skip(…)`, say what counts with `key = …`, or derive `serde::Serialize` for it"
)]
pub trait Argument: Serialize {}
#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Argument for T {}

/// One part of a key.
pub fn part<T: Argument + ?Sized>(parts: &mut Tuple<'_>, value: &T) -> Result<(), KeyError> {
    parts.element(value)
}

/// Several parts as one: the tuple of `key = (…)`.
pub fn parts(
    parts: &mut Tuple<'_>,
    inner: impl FnOnce(&mut Tuple<'_>) -> Result<(), KeyError>,
) -> Result<(), KeyError> {
    parts.tuple(inner)
}

/// What can be cached.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "this value cannot be stored and read back",
    note = "it needs `serde::Serialize` and `serde::de::DeserializeOwned`: derive `Serialize` and `Deserialize`, and own what it borrows"
)]
pub trait Value: Serialize + DeserializeOwned {}
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Value for T {}

/// What can be cached of a function's errors.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached as an absence",
    label = "this error cannot be stored and read back",
    note = "it needs `serde::Serialize` and `serde::de::DeserializeOwned`; a function that returns no `Result` has no errors: let it return `None`, and leave out `negative`"
)]
pub trait Absence: Serialize + DeserializeOwned {}
#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> Absence for E {}

/// What of a function's answers, a `T` or an `E`, is cached, and how that is written and read.
pub trait Codec<T, E> {
    /// What is cached.
    type Cached;

    /// As it is cached.
    fn value(value: T) -> Self::Cached;
    /// The same of an error, if it is cached.
    fn error(&self, error: E) -> Result<Self::Cached, E>;
    /// The answer that was cached.
    fn answer(cached: Self::Cached) -> Result<T, E>;
    /// As it is serialised.
    fn write<S: Serializer>(cached: &Self::Cached, to: S) -> Result<S::Ok, S::Error>;
    /// The same of a value alone.
    fn write_value<S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error>;
    /// As it is deserialised.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self::Cached, D::Error>;
}

/// Values alone, by their own implementations.
struct Serde;

impl<T: Value, E> Codec<T, E> for Serde {
    type Cached = T;

    fn value(value: T) -> T {
        value
    }

    fn error(&self, error: E) -> Result<T, E> {
        Err(error)
    }

    fn answer(cached: T) -> Result<T, E> {
        Ok(cached)
    }

    fn write<S: Serializer>(cached: &T, to: S) -> Result<S::Ok, S::Error> {
        cached.serialize(to)
    }

    fn write_value<S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        T::deserialize(from)
    }
}

/// The codec of the part of a return type that is cached.
pub const fn value<R: Shape<KIND>, const KIND: u8>()
-> impl Codec<R::Value, R::Error, Cached = R::Value>
where
    R::Value: Value,
{
    Serde
}

/// Values, and the errors that the function `F` chooses.
struct Negative<F>(F);

impl<T: Value, E: Absence, F: Fn(&E) -> bool> Codec<T, E> for Negative<F> {
    type Cached = Result<T, E>;

    fn value(value: T) -> Result<T, E> {
        Ok(value)
    }

    fn error(&self, error: E) -> Result<Result<T, E>, E> {
        match (self.0)(&error) {
            true => Ok(Err(error)),
            false => Err(error),
        }
    }

    fn answer(cached: Result<T, E>) -> Result<T, E> {
        cached
    }

    fn write<S: Serializer>(cached: &Result<T, E>, to: S) -> Result<S::Ok, S::Error> {
        match cached {
            Ok(value) => value.serialize(to),
            Err(error) => to.serialize_newtype_struct(ABSENT, error),
        }
    }

    fn write_value<S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Result<T, E>, D::Error> {
        from.deserialize_newtype_struct(ABSENT, Either(PhantomData))
    }
}

/// Reads a value, or the error that is marked as one.
struct Either<T, E>(PhantomData<fn() -> (T, E)>);

impl<'de, T: Deserialize<'de>, E: Deserialize<'de>> Visitor<'de> for Either<T, E> {
    type Value = Result<T, E>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or an absence")
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        T::deserialize(value).map(Ok)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, error: D) -> Result<Self::Value, D::Error> {
        E::deserialize(error).map(Err)
    }
}

/// The codec where `negative` chooses errors that are cached, too.
pub const fn negative<R: Shape<KIND>, const KIND: u8>(
    chosen: impl Fn(&R::Error) -> bool,
) -> impl Codec<R::Value, R::Error, Cached = Result<R::Value, R::Error>>
where
    R::Value: Value,
    R::Error: Absence,
{
    Negative(chosen)
}

/// The policy of a function with `negative`, checked in its `static`.
#[must_use]
pub const fn with_negative_ttl(policy: Policy) -> Policy {
    assert!(
        policy.parts.negative_ttl.is_some(),
        "`negative` keeps errors for the policy's negative_ttl, and it has none: add one"
    );
    policy
}

/// What is cached, with its codec, as an implementation of serde's traits.
pub struct Coded<T, C: Codec<T, E>, E>(C::Cached, PhantomData<fn() -> (T, E)>);

impl<T, C: Codec<T, E>, E> Coded<T, C, E> {
    pub(super) fn value(value: T) -> Self {
        Self(C::value(value), PhantomData)
    }

    /// Of an answer, if it is cached. An error is only where the policy keeps errors at all: what is
    /// not stored takes the place of a stale entry, and that could have been served.
    pub(super) fn of(codec: &C, policy: &Policy, answer: Result<T, E>) -> Result<Self, E> {
        match answer {
            Ok(value) => Ok(Self::value(value)),
            Err(error) if policy.parts.negative_ttl.is_none() => Err(error),
            Err(error) => codec.error(error).map(|cached| Self(cached, PhantomData)),
        }
    }

    pub(super) fn answer(self) -> Result<T, E> {
        C::answer(self.0)
    }
}

impl<T, C: Codec<T, E>, E> Serialize for Coded<T, C, E> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        C::write(&self.0, to)
    }
}

impl<'de, T, C: Codec<T, E>, E> Deserialize<'de> for Coded<T, C, E> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        C::read(from).map(|cached| Self(cached, PhantomData))
    }
}

/// Distinguishes values that can be cloned and shared, which a near copy keeps as they are, from
/// those that it keeps as bytes: `Kept::<T>::__LARDER_KEEP`. The inherent constant hides that of
/// the trait.
#[derive(Debug)]
pub struct Kept<T>(PhantomData<T>);

impl<T: Clone + Send + Sync + 'static> Kept<T> {
    /// A copy is the value itself.
    pub const __LARDER_KEEP: AsValue = AsValue;
}

/// Every value, in particular those that cannot be cloned and shared.
pub trait KeptAsBytes {
    /// A copy is the value's bytes.
    const __LARDER_KEEP: AsBytes = AsBytes;
}

impl<T> KeptAsBytes for Kept<T> {}

/// A near copy is the value itself, and a call gets a clone of it.
#[derive(Debug, Clone, Copy)]
pub struct AsValue;

impl<T, C, E> Keep<Coded<T, C, E>> for AsValue
where
    C: Codec<T, E, Cached: Clone + Send + Sync + 'static>,
{
    fn keep(value: &Coded<T, C, E>, _: Payload<'_>) -> Stored {
        Stored::Value(Arc::new(value.0.clone()))
    }

    fn given(stored: &Stored) -> Option<Coded<T, C, E>> {
        match stored {
            Stored::Value(value) => {
                let cached = value.downcast_ref::<C::Cached>()?.clone();
                Some(Coded(cached, PhantomData))
            }
            Stored::Plain(_) | Stored::Lz4(_) => None,
        }
    }
}

/// A borrowed value with its codec, for writing.
pub(super) struct Lent<'a, T, C, E>(&'a T, PhantomData<fn() -> (C, E)>);

impl<'a, T, C, E> Lent<'a, T, C, E> {
    pub(super) fn new(value: &'a T) -> Self {
        Self(value, PhantomData)
    }
}

impl<T, C: Codec<T, E>, E> Serialize for Lent<'_, T, C, E> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        C::write_value(self.0, to)
    }
}
