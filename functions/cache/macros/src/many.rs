//! The companions for many keys: each takes a list of what the function takes for one.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{GenericParam, Generics, Lifetime, LifetimeParam};

use crate::{
    companions::head,
    function::{Function, Input},
    parts::{Parts, by_reference},
    tokens::{mentions, with_lifetime},
};

/// None of a function without arguments in its key, nor where these find the cache: a call for many
/// keys has one. It has one policy, too.
pub(crate) fn many(parts: &Parts<'_>, function: &TokenStream, policy: &TokenStream) -> TokenStream {
    let inputs = &parts.function.inputs;
    let keyed: Vec<_> = inputs.iter().filter(|input| input.keyed).collect();
    if keyed.is_empty() || keyed.iter().any(|input| input.finds_cache) {
        return TokenStream::new();
    }
    let list = List::of(&keyed);
    let Parts {
        cache,
        shape,
        call,
        codec,
        keep,
        here,
        check,
        output,
        ..
    } = parts;
    let List {
        item,
        pattern,
        lifetime,
    } = &list;
    let (each, value) = (
        Ident::new("each", Span::mixed_site()),
        Ident::new("value", Span::mixed_site()),
    );
    let key = parts.key(function);
    let verb = quote!(::core::result::Result<(), ::larder::CacheError>);
    let of_cache = |input: &Input| input.finds_cache;
    let mut out = companion(
        parts,
        "invalidate_many",
        "Removes the cached values of many calls: acknowledged by their servers, or an error.\n\n# Errors\nThose of `larder::Cache::invalidate_many`; also if there is no cache, or no key.",
        &of_cache,
        (&each, item, lifetime),
        &verb,
        quote! {
            let keys = ::larder::__private::each(#each, |#pattern| #key);
            ::larder::__private::invalidate_many(#cache, keys).await
        },
    );
    if keyed.iter().any(|input| input.sets_policy) {
        return out;
    }
    out.extend(companion(
        parts,
        "put_many",
        "Stores the values of many calls as if the origin had just answered with them.\n\n# Errors\nThose of `larder::Cache::put_many`; also if there is no cache, or no key.",
        &|input: &Input| input.finds_cache || input.sets_policy,
        (&each, &quote!((#item, &#lifetime #shape::Value)), lifetime),
        &verb,
        quote_spanned! {*here=>
            let pairs = ::larder::__private::each(#each, |(#pattern, #value)| (#key, #value));
            ::larder::__private::put_many #call (#cache, #function, #policy, pairs, #codec).await
        },
    ));
    let Some(origin) = parts.many else {
        return out;
    };
    let kind = &parts.kind;
    let of_item = with_span(item.clone(), &keyed);
    out.extend(companion(
        parts,
        "fetch_many",
        "The values of many calls, by their arguments: from the cache, and from one call of `many` for all that are missing.\n\n# Errors\nThose of `many`.",
        &|input: &Input| input.finds_cache || input.sets_policy || input.for_many,
        (&each, item, lifetime),
        &quote!(#shape::FetchedMany<#item>),
        quote_spanned! {*here=>
            #check
            let keyed = ::larder::__private::each(#each, |#pattern| (#key, #pattern));
            ::larder::__private::fetch_many::<#output, #kind, _, _, #of_item, _, _, _>(
                #cache, #function, #policy, keyed, #codec, #keep, #origin
            ).await
        },
    ));
    out
}

/// The arguments of one key of many.
struct List {
    /// The type of the argument, or a tuple of several.
    item: TokenStream,
    pattern: TokenStream,
    /// That of what they borrow.
    lifetime: Lifetime,
}

impl List {
    fn of(keyed: &[&Input]) -> Self {
        let lifetime = Lifetime::new("'larder_each", Span::call_site());
        let types = keyed.iter().map(|input| input.typed.ty.to_token_stream());
        let types: Vec<_> = types.map(|ty| with_lifetime(ty, &lifetime)).collect();
        let names: Vec<_> = keyed.iter().map(|input| &input.name).collect();
        let (item, pattern) = match (&types[..], &names[..]) {
            ([ty], [name]) => (ty.clone(), quote!(#name)),
            _ => (quote!((#(#types),*)), quote!((#(#names),*))),
        };
        Self {
            item,
            pattern,
            lifetime,
        }
    }
}

/// The same type, at the place of the first argument: what it lacks is said there.
fn with_span(item: TokenStream, keyed: &[&Input]) -> TokenStream {
    use syn::spanned::Spanned as _;
    match keyed.first() {
        Some(first) => crate::parts::located_at(item, first.typed.ty.span()),
        None => item,
    }
}

/// One with the arguments that it needs once, and a list.
fn companion(
    parts: &Parts<'_>,
    name: &str,
    doc: &str,
    needs: &dyn Fn(&Input) -> bool,
    (each, item, lifetime): (&Ident, &TokenStream, &Lifetime),
    output: &TokenStream,
    body: TokenStream,
) -> TokenStream {
    let (head, ident) = (head(parts, doc), parts.companion(name));
    let generics = generics(parts.function, item, lifetime);
    let clause = &generics.where_clause;
    let receiver = parts.function.receiver().map(by_reference);
    let inputs = parts.function.inputs.iter().filter(|input| needs(input));
    let inputs = inputs.map(|input| {
        let (name, ty) = (&input.name, &input.typed.ty);
        quote!(#name: #ty)
    });
    // Not any iterator: of a generic type that would need a bound, that it outlives what is borrowed.
    let list = quote!(#each: ::std::vec::Vec<#item>);
    let inputs = receiver.into_iter().chain(inputs).chain([list]);
    quote!(#head async fn #ident #generics (#(#inputs),*) -> #output #clause { #body })
}

/// The function's own, and the lifetime of what the list borrows.
fn generics(function: &Function, item: &TokenStream, lifetime: &Lifetime) -> Generics {
    let mut generics = function.sig.generics.clone();
    if mentions(item, &lifetime.ident) {
        let param = GenericParam::Lifetime(LifetimeParam::new(lifetime.clone()));
        generics.params.insert(0, param);
    }
    generics
}
