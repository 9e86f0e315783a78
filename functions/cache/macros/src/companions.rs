//! The functions beside a cached one: each is one call into `larder`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{ReturnType, Token, Type};

use crate::{
    function::Input,
    many::many,
    parts::{Attributes, Parts, by_reference},
};

pub(crate) fn companions(parts: &Parts<'_>) -> TokenStream {
    let Parts {
        identity,
        cache,
        shape,
        call,
        codec,
        keep,
        fetch,
        fetching,
        ..
    } = parts;
    let its = parts.companion("__larder_identity");
    let (uncached, passed, turbofish) = (
        parts.companion("uncached"),
        parts.passed(),
        &parts.turbofish,
    );
    let function = quote!(Self::#its #turbofish ());
    let policy = parts.policy(&function);
    let many = many(parts, &function, &policy);
    let key = parts.key(&function);
    // It takes its arguments with it: one may be a `&mut`, which only one call can have.
    let origin =
        quote!(::larder::__private::origin(move || Self::#uncached #turbofish (#(#passed),*)));
    let generics = &parts.function.sig.generics;
    let clause = &generics.where_clause;
    let (check, all) = (&parts.check, &parts.attrs.all);
    let of_key = |input: &Input| input.keyed;
    let of_entry = |input: &Input| input.keyed || input.finds_cache;
    let of_stored = |input: &Input| input.keyed || input.finds_cache || input.sets_policy;
    let here = parts.here;
    let value = Ident::new("value", Span::mixed_site());
    let other = Ident::new("policy", Span::mixed_site());
    let fallible = |ok: TokenStream| quote!(::core::result::Result<#ok, ::larder::CacheError>);
    [
        run(
            parts,
            "fetch",
            "As the function itself, with what became of the call: hit, miss, stale, its age.\n\n# Errors\nThose of the function itself.",
            quote_spanned!(here=> #check ::larder::__private::#fetching #fetch (#cache, #function, #policy, #key, #codec, #keep, #origin).await),
        ),
        run(
            parts,
            "refresh",
            "A new value from the origin, stored in place of the old one.\n\n# Errors\nThose of the function itself.",
            quote_spanned!(here=> ::larder::__private::refresh #call (#cache, #function, #policy, #key, #codec, #origin).await),
        ),
        itself(parts, &uncached),
        verb(
            parts,
            "peek",
            "The cached value, fresh or stale, if there is one. Never calls the origin.",
            &of_stored,
            None,
            &quote!(::core::option::Option<::larder::Fetched<#shape::Value>>),
            quote_spanned!(here=> ::larder::__private::peek #call (#cache, #function, #policy, #key, #codec).await),
        ),
        verb(
            parts,
            "put",
            "Stores a value as if the origin had just answered with it.\n\n# Errors\nThose of `larder::Cache::put`; also if there is no cache, or no key.",
            &of_stored,
            Some(quote!(#value: &#shape::Value)),
            &fallible(quote!(())),
            quote_spanned!(here=> ::larder::__private::put #call (#cache, #function, #policy, #key, #codec, #value).await),
        ),
        verb(
            parts,
            "put_with",
            "Stores a value as if the origin had just answered with it and chosen this policy, of which the version does not count.\n\n# Errors\nThose of `larder::Cache::put`; also if there is no cache, or no key.",
            &of_entry,
            Some(quote!(#value: &#shape::Value, #other: &::larder::Policy)),
            &fallible(quote!(())),
            quote_spanned!(here=> ::larder::__private::put #call (#cache, #function, &#function.with_version(*#other), #key, #codec, #value).await),
        ),
        verb(
            parts,
            "invalidate",
            "Removes the cached value: acknowledged by the server, or an error.\n\n# Errors\nThose of `larder::Cache::invalidate`; also if there is no cache, or no key.",
            &of_entry,
            None,
            &fallible(quote!(())),
            quote!(::larder::__private::invalidate(#cache, #key).await),
        ),
        verb(
            parts,
            "expire",
            "Makes the cached value stale: acknowledged by the server, or an error.\n\n# Errors\nThose of `larder::Cache::expire`; also if there is no cache, or no key.",
            &of_stored,
            None,
            &fallible(quote!(())),
            quote!(::larder::__private::expire(#cache, #policy, #key).await),
        ),
        verb(
            parts,
            "flush",
            "Removes all values of the function: acknowledged by every server, or an error.\n\n# Errors\nThose of `larder::Cache::flush`; also if there is no cache.",
            &|input: &Input| input.finds_cache,
            None,
            &fallible(quote!(())),
            quote!(::larder::__private::flush(#cache, #function).await),
        ),
        verb(
            parts,
            "key",
            "The key of a call with these arguments.\n\n# Errors\nIf an argument cannot be serialised.",
            &of_key,
            None,
            &quote!(::core::result::Result<::larder::Key, ::larder::KeyError>),
            key,
        ),
        quote! {
            #(#all)*
            #[doc(hidden)]
            #[allow(dead_code)]
            fn #its #generics () -> ::larder::__private::Function #clause #identity
        },
        many,
    ]
    .into_iter()
    .collect()
}

/// The head of every companion.
pub(crate) fn head(parts: &Parts<'_>, doc: &str) -> TokenStream {
    let Attributes { all, hidden, .. } = &parts.attrs;
    let vis = &parts.vis;
    quote! {
        #[doc = #doc] #hidden #(#all)*
        #[allow(
            dead_code,
            clippy::too_many_arguments,
            // Clippy does not read the documentation that another crate's macro writes.
            clippy::missing_errors_doc,
            clippy::missing_panics_doc
        )]
        #vis
    }
}

/// One with all of the function's arguments, since it may run it.
fn run(parts: &Parts<'_>, name: &str, doc: &str, body: TokenStream) -> TokenStream {
    let (head, shape) = (head(parts, doc), &parts.shape);
    let mut sig = parts.signature(parts.companion(name));
    let fetched = Type::Verbatim(quote!(#shape::Fetched));
    sig.output = ReturnType::Type(<Token![->]>::default(), Box::new(fetched));
    quote!(#head #sig { #body })
}

/// The function as it was written.
fn itself(parts: &Parts<'_>, name: &Ident) -> TokenStream {
    let head = head(
        parts,
        "The origin: the function as it was written, without the cache.\n\n# Errors\nThose of the function itself.",
    );
    let (expected, body) = (&parts.attrs.expected, &parts.function.body);
    let mut sig = parts.function.sig.clone();
    sig.ident = name.clone();
    quote!(#head #(#expected)* #sig #body)
}

/// One with the arguments that it needs, and one more or none.
fn verb(
    parts: &Parts<'_>,
    name: &str,
    doc: &str,
    needs: &dyn Fn(&Input) -> bool,
    more: Option<TokenStream>,
    output: &TokenStream,
    body: TokenStream,
) -> TokenStream {
    let (head, ident) = (head(parts, doc), parts.companion(name));
    let asynchronous = (name != "key").then(|| quote!(async));
    let generics = &parts.function.sig.generics;
    let clause = &generics.where_clause;
    let receiver = parts.function.receiver().map(by_reference);
    let inputs = parts.function.inputs.iter().filter(|input| needs(input));
    let inputs = inputs.map(|input| {
        let (name, ty) = (&input.name, &input.typed.ty);
        quote!(#name: #ty)
    });
    let inputs = receiver.into_iter().chain(inputs).chain(more);
    quote!(#head #asynchronous fn #ident #generics (#(#inputs),*) -> #output #clause { #body })
}
