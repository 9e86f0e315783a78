//! The emitted code: the function itself, and its companions on an empty struct of its name. Each is one call into `larder`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Attribute, GenericParam, spanned::Spanned};

use crate::{
    args::Args,
    function::{Function, is_written_as_result},
};

pub(crate) fn expand(args: &Args, function: &Function) -> TokenStream {
    let parts = Parts::new(args, function);
    let Parts {
        vis,
        ident,
        generics,
        clause,
        output,
        kind,
        all,
        names,
        turbofish,
        ..
    } = &parts;
    let (outer, lints) = attributes(&function.item.attrs);
    let companions = companions(&parts, function);
    quote! {
        #(#outer)* #(#lints)*
        #vis async fn #ident #generics (#(#all),*) -> #output #clause {
            <#output as ::larder::__private::Shape<#kind>>::whole(#ident::fetch #turbofish (#(#names),*).await)
        }

        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, unreachable_pub)]
        #vis struct #ident {}

        #(#lints)*
        #[allow(dead_code, unreachable_pub, clippy::too_many_arguments)]
        impl #ident {
            #companions
        }
    }
}

struct Parts<'a> {
    vis: &'a syn::Visibility,
    ident: &'a syn::Ident,
    generics: TokenStream,
    clause: TokenStream,
    output: TokenStream,
    kind: TokenStream,
    /// Arguments with their types, without `mut`; all, and those of the key.
    all: Vec<TokenStream>,
    keyed: Vec<TokenStream>,
    names: Vec<&'a syn::Ident>,
    keyed_names: Vec<&'a syn::Ident>,
    turbofish: TokenStream,
    /// The static that knows the function, the policy, and the key's arguments.
    site: TokenStream,
    policy: TokenStream,
    arguments: TokenStream,
}

impl<'a> Parts<'a> {
    fn new(args: &Args, function: &'a Function) -> Self {
        let signature = &function.item.sig;
        let output = &function.output;
        let kind = if !function.output_names_a_parameter() {
            quote_spanned!(output.span()=> {
                #[allow(unused_imports)]
                use ::larder::__private::Plain as _;
                ::larder::__private::Probe::<#output>::KIND
            })
        } else if is_written_as_result(output) {
            quote!({ ::larder::__private::RESULT })
        } else {
            quote!({ ::larder::__private::PLAIN })
        };
        let typed = |input: &crate::function::Input| {
            let (name, ty) = (&input.name, &input.typed.ty);
            quote!(#name: #ty)
        };
        let keyed = || function.inputs.iter().filter(|input| !input.skipped);
        let (name, ident) = (&args.name, &signature.ident);
        let policy = &args.policy;
        Self {
            vis: &function.item.vis,
            ident: &signature.ident,
            generics: {
                let g = &signature.generics;
                quote!(#g)
            },
            clause: {
                let c = &signature.generics.where_clause;
                quote!(#c)
            },
            output: quote!(#output),
            kind,
            all: function.inputs.iter().map(typed).collect(),
            keyed: keyed().map(typed).collect(),
            names: function.inputs.iter().map(|input| &input.name).collect(),
            keyed_names: keyed().map(|input| &input.name).collect(),
            turbofish: turbofish(function),
            site: quote! {
                static SITE: ::larder::__private::Site = ::larder::__private::Site::new(
                    #name,
                    ::core::concat!(
                        ::core::module_path!(), "::", ::core::stringify!(#ident),
                        " at ", ::core::file!(), ":", ::core::line!(),
                    ),
                );
                &SITE
            },
            policy: quote!(#policy),
            arguments: arguments(args, function),
        }
    }
}

/// What is hashed into the key, as a tuple. The types of a generic function are part of it: two instantiations never share.
fn arguments(args: &Args, function: &Function) -> TokenStream {
    let types = function.parameters().map(|param| match param {
        GenericParam::Type(param) => {
            let name = &param.ident;
            quote!(::core::any::type_name::<#name>())
        }
        GenericParam::Const(param) => {
            let name = &param.ident;
            quote!(#name)
        }
        GenericParam::Lifetime(_) => TokenStream::new(),
    });
    match &args.key {
        Some(key) => quote!((#(#types,)* &(#key),)),
        None => {
            let names = function
                .inputs
                .iter()
                .filter(|input| !input.skipped)
                .map(|input| {
                    let name = &input.name;
                    quote_spanned!(input.typed.ty.span()=> &#name)
                });
            quote!((#(#names,)*))
        }
    }
}

fn companions(parts: &Parts<'_>, function: &Function) -> TokenStream {
    let Parts {
        vis,
        generics,
        clause,
        output,
        kind,
        all,
        keyed,
        names,
        keyed_names,
        ..
    } = parts;
    let Parts {
        turbofish,
        site,
        policy,
        arguments,
        ..
    } = parts;
    let shape = quote!(<#output as ::larder::__private::Shape<#kind>>);
    let (originals, body) = (
        function.inputs.iter().map(|input| &input.typed),
        &function.item.block,
    );
    let key = quote!(Self::key #turbofish (#(#keyed_names),*));
    quote! {
        /// The function as it was written: its origin, without the cache.
        #vis async fn uncached #generics (#(#originals),*) -> #output #clause #body

        /// The key of a call with these arguments.
        #vis fn key #generics (#(#keyed),*) -> ::core::result::Result<::larder::Key, ::larder::KeyError> #clause {
            ::larder::__private::key(Self::site(), Self::policy(), &#arguments)
        }

        /// The value and where it came from.
        #vis async fn fetch #generics (#(#all),*) -> #shape::Fetched #clause {
            let __larder_key = #key;
            ::larder::__private::fetch::<#output, #kind, _, _>(
                Self::site(), Self::policy(), __larder_key, || Self::uncached #turbofish (#(#names),*),
            ).await
        }

        /// A new value from the origin, stored in place of the old one.
        #vis async fn refresh #generics (#(#all),*) -> #shape::Fetched #clause {
            let __larder_key = #key;
            ::larder::__private::refresh::<#output, #kind, _, _>(
                Self::site(), Self::policy(), __larder_key, || Self::uncached #turbofish (#(#names),*),
            ).await
        }

        /// The cached value, fresh or stale; never calls the origin.
        #vis async fn peek #generics (#(#keyed),*) -> ::core::option::Option<::larder::Fetched<#shape::Value>> #clause {
            ::larder::__private::peek::<#output, #kind>(Self::site(), Self::policy(), #key).await
        }

        /// Stores a value as if the origin had just answered with it.
        #vis async fn put #generics (#(#keyed,)* __larder_value: &#shape::Value) -> ::core::result::Result<(), ::larder::CacheError> #clause {
            ::larder::__private::put::<#output, #kind>(Self::site(), Self::policy(), #key, __larder_value).await
        }

        /// Removes the cached value; acknowledged, or an error.
        #vis async fn invalidate #generics (#(#keyed),*) -> ::core::result::Result<(), ::larder::CacheError> #clause {
            ::larder::__private::invalidate(#key).await
        }

        /// Makes the cached value stale.
        #vis async fn expire #generics (#(#keyed),*) -> ::core::result::Result<(), ::larder::CacheError> #clause {
            ::larder::__private::expire(Self::policy(), #key).await
        }

        fn site() -> &'static ::larder::__private::Site {
            #site
        }

        fn policy() -> &'static ::larder::Policy {
            const POLICY: ::larder::Policy = #policy;
            &POLICY
        }
    }
}

fn turbofish(function: &Function) -> TokenStream {
    let names: Vec<_> = function
        .parameters()
        .map(|param| match param {
            GenericParam::Type(param) => &param.ident,
            GenericParam::Const(param) => &param.ident,
            GenericParam::Lifetime(param) => &param.lifetime.ident,
        })
        .collect();
    if names.is_empty() {
        TokenStream::new()
    } else {
        quote!(::<#(#names),*>)
    }
}

/// The function's own attributes, and those that hold for all of its code.
fn attributes(all: &[Attribute]) -> (Vec<&Attribute>, Vec<&Attribute>) {
    let lint = |attribute: &&Attribute| {
        ["allow", "warn", "deny", "forbid", "cfg"]
            .iter()
            .any(|name| attribute.path().is_ident(name))
    };
    all.iter().partition(|attribute| !lint(attribute))
}
