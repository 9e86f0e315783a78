//! The return type: whether it can be cached, and how the library learns that it is a `Result`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{
    Error, GenericArgument, Ident, PathArguments, Result, ReturnType, Signature, Type,
    spanned::Spanned as _,
};

use crate::{
    function::{Function, Place, name},
    tokens::{find, find_before, mentions},
};

pub(crate) fn check(sig: &Signature) -> Result<Type> {
    let ReturnType::Type(_, written) = &sig.output else {
        let problem = "a function that returns nothing has nothing to cache: return a value, or call it uncached";
        return Err(Error::new(sig.ident.span(), problem));
    };
    let output = bare(written);
    if let Some(hidden) = find(output, "impl") {
        let problem = "`impl Trait` cannot be read back from a cache: name the type";
        return Err(Error::new(hidden.span(), problem));
    }
    if let Type::Reference(borrowed) = cached(output) {
        let problem = "a borrowed value cannot be read back from a cache: return an owned one, such as a `String` for a `&str`";
        return Err(Error::new(borrowed.and_token.span(), problem));
    }
    if let Type::Path(path) = output {
        let several = path.path.segments.len() > 1;
        let first = path.path.segments.first().map(|first| &first.ident);
        let open =
            first.is_some_and(|first| is_parameter(sig, first) || several && first == "Self");
        if path.qself.is_some() || open {
            let problem = "this may be a `Result`, and its errors would be cached: write `Result<…>` or a concrete type";
            return Err(Error::new(output.span(), problem));
        }
    }
    if let Some(inner) = nested_result(output) {
        let problem = "the errors of this inner `Result` would be cached: make it the function's own `Result`, or give it a type of its own";
        return Err(Error::new(inner.span(), problem));
    }
    Ok(output.clone())
}

/// The type within the groups that a macro's `$out:ty` puts around it, and within parentheses.
fn bare(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            ty => return ty,
        };
    }
}

/// A `Result<…>` that is part of what is cached. A `Result` without arguments is another type.
fn nested_result(output: &Type) -> Option<Ident> {
    let Type::Path(path) = output else {
        return find_before(output, "Result", '<');
    };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(inside) = &last.arguments else {
        return None;
    };
    let value = inside.args.first().filter(|_| last.ident == "Result");
    match value {
        Some(value) => find_before(value, "Result", '<'),
        None => find_before(&inside.args, "Result", '<'),
    }
}

/// What is cached of a type, as far as it is written: the `T` of `Result<Option<T>, E>`.
fn cached(output: &Type) -> &Type {
    let output = bare(output);
    let Type::Path(path) = output else {
        return output;
    };
    match path.path.segments.last() {
        Some(last) if last.ident == "Result" || last.ident == "Option" => match &last.arguments {
            PathArguments::AngleBracketed(inside) => match inside.args.first() {
                Some(GenericArgument::Type(first)) => cached(first),
                _ => output,
            },
            _ => output,
        },
        _ => output,
    }
}

fn is_parameter(sig: &Signature, name: &Ident) -> bool {
    sig.generics.type_params().any(|param| param.ident == *name)
}

/// How the library learns what a function returns.
pub(crate) struct Kind {
    /// The argument of `Shape`.
    pub(crate) kind: TokenStream,
    /// A check beside it, where `kind` is not computed from the type itself.
    pub(crate) check: TokenStream,
}

/// A constant computed from the type finds a `Result` behind any alias. It cannot be computed from
/// type parameters, be they the function's or its `impl`'s: where there may be some, the written
/// word counts, and an alias that hides a `Result` is refused.
pub(crate) fn kind(function: &Function, output: &Type) -> Kind {
    let generic = function
        .sig
        .generics
        .params
        .iter()
        .any(|param| mentions(output, name(param)));
    // The parameters of an `impl` cannot be seen from here. A path without arguments has none.
    let open = generic || function.place != Place::Free && arguments(output) != Some(0);
    let here = output.span();
    if open && is_written_as_result(output) {
        return Kind {
            kind: quote!({ ::larder::__private::RESULT }),
            check: TokenStream::new(),
        };
    }
    let probe = quote_spanned! {here=>
        #[allow(unused_imports)]
        use ::larder::__private::Plain as _;
        ::larder::__private::Probe::<#output>
    };
    if open {
        return Kind {
            kind: quote!({ ::larder::__private::PLAIN }),
            check: quote_spanned!(here=> ::larder::__private::no_result({ #probe::__LARDER_SHAPE });),
        };
    }
    Kind {
        kind: quote_spanned!(here=> { #probe::__LARDER_KIND }),
        check: TokenStream::new(),
    }
}

/// `Result<…>` by any path, with at least one type.
fn is_written_as_result(output: &Type) -> bool {
    let Type::Path(path) = output else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| last.ident == "Result") && arguments(output) != Some(0)
}

/// How many types the last segment of a path is given; `None`: not a path.
fn arguments(output: &Type) -> Option<usize> {
    let Type::Path(path) = output else {
        return None;
    };
    let PathArguments::AngleBracketed(inside) = &path.path.segments.last()?.arguments else {
        return Some(0);
    };
    let types = inside.args.iter();
    Some(
        types
            .filter(|arg| matches!(arg, GenericArgument::Type(_)))
            .count(),
    )
}
