//! The traits that arguments and values must implement, checked once, where the user wrote them.
//!
//! The generated code requires them nowhere else: the key takes the output of [`part`], everything
//! else that of [`value`]. So a missing trait is one error, and not one for each companion.

use std::{marker::PhantomData, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use super::Shape;
use crate::{
    key::{KeyError, Tuple},
    near::{AsBytes, Keep, Stored},
    payload::Payload,
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

/// How a `T` is written and read.
pub trait Codec<T> {
    /// As `T` is serialised.
    fn write<S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error>;
    /// As `T` is deserialised.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<T, D::Error>;
}

/// The codec of everything that has one.
struct Serde;

impl<T: Value> Codec<T> for Serde {
    fn write<S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        T::deserialize(from)
    }
}

/// The codec of the part of a return type that is cached.
pub const fn value<R: Shape<KIND>, const KIND: u8>() -> impl Codec<R::Value>
where
    R::Value: Value,
{
    Serde
}

/// A value with its codec, as an implementation of serde's traits.
#[derive(Debug)]
pub struct Coded<T, C>(T, PhantomData<fn() -> C>);

impl<T, C> Coded<T, C> {
    pub(super) fn new(value: T) -> Self {
        Self(value, PhantomData)
    }

    pub(super) fn into_inner(self) -> T {
        self.0
    }
}

impl<T, C: Codec<T>> Serialize for Coded<T, C> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        C::write(&self.0, to)
    }
}

impl<'de, T, C: Codec<T>> Deserialize<'de> for Coded<T, C> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        C::read(from).map(Self::new)
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

impl<T: Clone + Send + Sync + 'static, C> Keep<Coded<T, C>> for AsValue {
    fn keep(value: &Coded<T, C>, _: Payload<'_>) -> Stored {
        Stored::Value(Arc::new(value.0.clone()))
    }

    fn given(stored: &Stored) -> Option<Coded<T, C>> {
        match stored {
            Stored::Value(value) => Some(Coded::new(value.downcast_ref::<T>()?.clone())),
            Stored::Plain(_) | Stored::Lz4(_) => None,
        }
    }
}

/// A borrowed value with its codec, for writing.
pub(super) struct Lent<'a, T, C>(&'a T, PhantomData<fn() -> C>);

impl<'a, T, C> Lent<'a, T, C> {
    pub(super) fn new(value: &'a T) -> Self {
        Self(value, PhantomData)
    }
}

impl<T, C: Codec<T>> Serialize for Lent<'_, T, C> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        C::write(self.0, to)
    }
}
