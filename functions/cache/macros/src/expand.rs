//! The emitted function: one call into `larder`. Its companions come from `companions`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};

use crate::{
    companions::companions,
    function::Place,
    parts::{Attributes, Parts},
};

pub(crate) fn expand(parts: &Parts<'_>) -> TokenStream {
    match parts.function.place {
        Place::Free => free(parts),
        Place::Inherent => inherent(parts),
        Place::Trait => alone(parts),
    }
}

fn free(parts: &Parts<'_>) -> TokenStream {
    let Attributes { outer, all, .. } = &parts.attrs;
    let Parts {
        vis,
        shape,
        turbofish,
        function,
        ..
    } = parts;
    let (name, ident) = (&function.sig.ident, &parts.companions);
    let (sig, passed) = (parts.signature(name.clone()), parts.passed());
    let about = format!(
        "Companions of the cached function [`{name}`](fn@{name}): `fetch`, `refresh`, `peek`, `put`, `put_with`, `invalidate`, `expire`, `flush`, `key`, `uncached`; of a function with arguments in its key `invalidate_many`, `put_many` and, with `many = …`, `fetch_many`."
    );
    let (link, hidden) = (parts.attrs.link(ident), &parts.attrs.hidden);
    let companions = companions(parts);
    quote! {
        #(#outer)* #link #(#all)*
        #vis #sig {
            #shape::unwrap(#ident::fetch #turbofish (#(#passed),*).await)
        }

        #[doc = #about] #hidden #(#all)*
        #[allow(non_camel_case_types, dead_code, unreachable_pub, missing_debug_implementations, missing_copy_implementations)]
        #vis struct #ident {}

        #(#all)*
        #[allow(dead_code, unreachable_pub, clippy::too_many_arguments)]
        impl #ident {
            #companions
        }
    }
}

fn inherent(parts: &Parts<'_>) -> TokenStream {
    let Attributes { outer, all, .. } = &parts.attrs;
    let Parts {
        vis,
        shape,
        turbofish,
        function,
        ..
    } = parts;
    let (sig, passed) = (parts.signature(function.sig.ident.clone()), parts.passed());
    let fetch = parts.companion("fetch");
    let companions = companions(parts);
    quote! {
        #(#outer)* #(#all)*
        #vis #sig {
            #shape::unwrap(Self::#fetch #turbofish (#(#passed),*).await)
        }

        #companions
    }
}

/// Everything in one function: no other may be added beside it.
fn alone(parts: &Parts<'_>) -> TokenStream {
    let Attributes {
        outer,
        all,
        expected,
        ..
    } = &parts.attrs;
    let Parts {
        shape,
        codec,
        keep,
        fetch,
        here,
        check,
        identity,
        cache,
        function,
        output,
        ..
    } = parts;
    let (sig, body) = (&function.sig, &function.body);
    let (its, key) = (
        Ident::new("identity", Span::mixed_site()),
        Ident::new("key", Span::mixed_site()),
    );
    let computed = parts.key(&its.to_token_stream());
    let policy = parts.policy(&quote!(#its));
    let fetched = quote_spanned! {*here=>
        ::larder::__private::fetch #fetch (#cache, #its, #policy, #key, #codec, #keep, async move || -> #output #body).await
    };
    quote! {
        #(#outer)* #(#all)* #(#expected)*
        #sig {
            #check
            let #its = #identity;
            let #key = #computed;
            #shape::unwrap(#fetched)
        }
    }
}
