//! What the emitted functions have in common: names, types, the key, and the attributes they get.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Expr, FnArg, GenericParam, Receiver, ReceiverKind, Result, Signature, Type,
    Visibility, spanned::Spanned as _,
};

use crate::{
    args::{Args, Policy},
    function::{Function, Place, name},
    output::{Kind, kind},
    tags,
    tokens::mentions,
};

/// What is emitted more than once.
pub(crate) struct Parts<'a> {
    pub(crate) function: &'a Function,
    pub(crate) output: &'a Type,
    pub(crate) vis: TokenStream,
    pub(crate) shape: TokenStream,
    /// Whether the return type is a `Result`: the argument of `Shape`.
    pub(crate) kind: TokenStream,
    /// The type arguments of the call that does the work: return type and kind.
    pub(crate) call: TokenStream,
    /// The same of `fetch`.
    pub(crate) fetch: TokenStream,
    /// The place of the return type.
    pub(crate) here: Span,
    /// What writes and reads the value. The only place where its traits are required.
    pub(crate) codec: TokenStream,
    /// How a near copy keeps the value.
    pub(crate) keep: TokenStream,
    pub(crate) check: TokenStream,
    pub(crate) turbofish: TokenStream,
    /// A block: the function with its policy, and with its types if it has several.
    pub(crate) identity: TokenStream,
    /// What the companions are called by: their struct, or what comes before `_fetch`.
    pub(crate) companions: Ident,
    pub(crate) cache: TokenStream,
    arguments: TokenStream,
    tags: Option<TokenStream>,
    /// The origin of many keys.
    pub(crate) many: Option<&'a Expr>,
    /// What `fetch` calls.
    pub(crate) fetching: Ident,
    pub(crate) attrs: Attributes<'a>,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(args: &'a Args, function: &'a Function, output: &'a Type) -> Result<Self> {
        let Kind { kind, check } = kind(function, output);
        let here = output.span();
        let at_once = located_at(quote!(#output), here);
        Ok(Self {
            function,
            output,
            vis: vis(&function.vis),
            shape: quote!(<#output as ::larder::__private::Shape<#kind>>),
            keep: keep(output, &kind, args.negative.is_some(), here),
            here,
            call: quote_spanned!(here=> ::<#output, #kind, _>),
            fetch: match args.background {
                None => quote_spanned!(here=> ::<#output, #kind, _, _>),
                Some(_) => quote_spanned!(here=> ::<#output, #kind, _, _, _, _>),
            },
            fetching: match args.background {
                None => Ident::new("fetch", here),
                Some(_) => Ident::new("fetch_in_background", here),
            },
            codec: codec(args, &at_once, &kind, here),
            check,
            turbofish: turbofish(function),
            identity: identity(args, function),
            companions: args
                .companions
                .clone()
                .unwrap_or_else(|| function.sig.ident.clone()),
            cache: cache(args),
            arguments: arguments(args, function),
            tags: tags::tags(args, function)?,
            many: args.many.as_ref(),
            attrs: Attributes::new(&function.attrs),
            kind,
        })
    }

    /// The key of a call of `identity`.
    pub(crate) fn key(&self, identity: &TokenStream) -> TokenStream {
        let arguments = &self.arguments;
        let key = quote!(::larder::__private::key(#identity, #arguments));
        match &self.tags {
            None => key,
            Some(tags) => quote!(::larder::__private::tagged(#key, #tags)),
        }
    }

    /// What a companion is called.
    pub(crate) fn companion(&self, verb: &str) -> Ident {
        let ident = &self.companions;
        match self.function.place {
            Place::Free => Ident::new(verb, Span::call_site()),
            _ => format_ident!("{ident}_{verb}"),
        }
    }

    /// The wrapper's signature: patterns without `mut`, which is the body's own matter.
    pub(crate) fn signature(&self, ident: Ident) -> Signature {
        let mut sig = self.function.sig.clone();
        sig.ident = ident;
        for input in &mut sig.inputs {
            match input {
                FnArg::Receiver(receiver) => receiver.mutability = None,
                FnArg::Typed(typed) => {
                    typed.attrs.clear();
                    if let syn::Pat::Ident(pattern) = &mut *typed.pat {
                        pattern.mutability = None;
                    }
                }
            }
        }
        sig
    }

    /// A reference to the policy of a call, or of a verb, of `function`.
    pub(crate) fn policy(&self, function: &TokenStream) -> TokenStream {
        let Some(policy) = &self.function.policy else {
            return quote!(#function.policy());
        };
        let at = Span::call_site().located_at(policy.span());
        let called = match policy {
            Expr::Closure(_) => quote_spanned!(at=> (#policy)()),
            _ => quote!(#policy),
        };
        quote_spanned!(at=> &#function.with_version(#called))
    }

    /// All arguments, as they are passed on.
    pub(crate) fn passed(&self) -> Vec<TokenStream> {
        let receiver = self.function.receiver().map(|receiver| {
            let token = receiver.self_token;
            quote!(#token)
        });
        let names = self.function.inputs.iter().map(|input| {
            let name = &input.name;
            quote!(#name)
        });
        receiver.into_iter().chain(names).collect()
    }
}

/// What writes and reads the value, and the errors that `negative` chooses.
fn codec(args: &Args, output: &TokenStream, kind: &TokenStream, here: Span) -> TokenStream {
    let Some(chosen) = &args.negative else {
        return quote_spanned!(here=> ::larder::__private::value::<#output, #kind>());
    };
    quote_spanned!(here=> ::larder::__private::negative::<#output, #kind>(#chosen))
}

/// The value itself, if it can be cloned and shared. One that may borrow is kept as bytes: whether
/// a type outlives everything is not known before its other bounds are.
fn keep(output: &Type, kind: &TokenStream, with_errors: bool, here: Span) -> TokenStream {
    let shape = quote_spanned!(here=> <#output as ::larder::__private::Shape<#kind>>);
    let cached = match with_errors {
        false => quote_spanned!(here=> #shape::Value),
        true => quote_spanned!(here=> ::core::result::Result<#shape::Value, #shape::Error>),
    };
    let kept = quote_spanned!(here=> ::larder::__private::Kept::<#cached>);
    if mentions_lifetime(&quote!(#output)) {
        return quote_spanned!(here=> <#kept as ::larder::__private::KeptAsBytes>::__LARDER_KEEP);
    }
    quote_spanned!(here=> {
        #[allow(unused_imports)]
        use ::larder::__private::KeptAsBytes as _;
        #kept::__LARDER_KEEP
    })
}

fn mentions_lifetime(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions_lifetime(&group.stream()),
        TokenTree::Punct(punct) => punct.as_char() == '\'',
        _ => false,
    })
}

/// The same tokens, all at one place: a mistake in them is one error, and not one of each token.
pub(crate) fn located_at(tokens: TokenStream, here: Span) -> TokenStream {
    let moved = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            let inside = located_at(group.stream(), here);
            token = TokenTree::Group(Group::new(group.delimiter(), inside));
        }
        token.set_span(token.span().located_at(here));
        token
    };
    tokens.into_iter().map(moved).collect()
}

/// `pub(self)` says "inherent, with companions" to this attribute, and nothing to the compiler.
fn vis(vis: &Visibility) -> TokenStream {
    match vis {
        Visibility::Restricted(to) if to.path.is_ident("self") => TokenStream::new(),
        vis => quote!(#vis),
    }
}

/// The function as the library knows it: a static, and the types of this instantiation.
///
/// In a method of a trait the parameters of the `impl` and of the trait are out of sight. The type
/// of a closure has them all in its name and in its `TypeId`.
fn identity(args: &Args, function: &Function) -> TokenStream {
    let (name, policy) = (&args.name, constant(args, function));
    let ident = function.sig.ident.to_string();
    let site = quote! {{
        enum LarderWithin {}
        static __LARDER_SITE: ::larder::__private::Site = ::larder::__private::Site::new(
            #name,
            #ident,
            ::core::any::type_name::<LarderWithin>,
            ::core::concat!(::core::file!(), ":", ::core::line!()),
            #policy,
        );
        &__LARDER_SITE
    }};
    match (types(args, function), function.place) {
        (Some(types), _) => {
            quote!({ ::larder::__private::Function::of_types(#site, &|| (), #types) })
        }
        (None, Place::Trait) => quote!({ ::larder::__private::Function::method(#site, &|| ()) }),
        (None, _) => quote!({ ::larder::__private::Function::new(#site) }),
    }
}

/// The policy that the compiler checks; of one that each call has anew only the version.
fn constant(args: &Args, function: &Function) -> TokenStream {
    let policy = match &args.policy {
        Policy::Shorthands(policy) => policy.clone(),
        Policy::Whole { version, .. } if function.policy.is_some() => {
            return quote!(::larder::Policy::ttl(::core::time::Duration::from_secs(1)) #version);
        }
        Policy::Whole { policy, version } if version.is_empty() => quote!(#policy),
        Policy::Whole { policy, version } => quote!((#policy) #version),
    };
    match &args.negative {
        None => policy,
        Some(negative) => {
            let at = Span::call_site().located_at(negative.span());
            quote_spanned!(at=> ::larder::__private::with_negative_ttl(#policy))
        }
    }
}

/// A closure that writes what distinguishes the function's instantiations, as far as that has a
/// name here: a label, or the names of types; and its constants.
fn types(args: &Args, function: &Function) -> Option<TokenStream> {
    let name_of =
        |ty: TokenStream| part(&quote!(::core::any::type_name::<#ty>()), Span::call_site());
    let label = |label: &Expr| {
        let at = Span::call_site().located_at(label.span());
        let label = quote_spanned!(at=> ::larder::__private::label(const { #label }));
        part(&label, Span::call_site())
    };
    let is_type = |param: &&GenericParam| matches!(param, GenericParam::Type(_));
    let mut all: Vec<_> = match &args.types {
        Some(Expr::Tuple(labels)) => labels.elems.iter().map(label).collect(),
        Some(one) => vec![label(one)],
        None if function.place == Place::Trait => return None,
        None => {
            let of_self = (function.place == Place::Inherent).then(|| name_of(quote!(Self)));
            let of_types = function.parameters().filter(is_type);
            let of_types = of_types.map(|param| name_of(name(param).to_token_stream()));
            of_self.into_iter().chain(of_types).collect()
        }
    };
    let constants = function.parameters().filter(|param| !is_type(param));
    all.extend(constants.map(|param| part(name(param), Span::call_site())));
    (!all.is_empty()).then(|| written(all.into_iter()))
}

fn cache(args: &Args) -> TokenStream {
    match &args.cache {
        None => quote!(::larder::__private::current()),
        Some(cache) => {
            let at = Span::call_site().located_at(cache.span());
            quote_spanned!(at=> ::larder::__private::given(&(#cache)))
        }
    }
}

/// What is hashed into the key: a closure that writes the arguments, part by part.
fn arguments(args: &Args, function: &Function) -> TokenStream {
    match &args.key {
        // Each element by reference: a key never takes an argument from the call.
        Some(Expr::Tuple(tuple)) => {
            let elements = tuple.elems.iter();
            let inner = written(elements.map(|element| part(element, element.span())));
            let parts = its_parts();
            let tuple = quote!(::larder::__private::parts(#parts, #inner)?;);
            written(std::iter::once(tuple))
        }
        Some(key) => written(std::iter::once(part(key, key.span()))),
        None => {
            let keyed = function.inputs.iter().filter(|input| input.keyed);
            written(keyed.map(|input| part(&input.name, input.name.span())))
        }
    }
}

/// A closure that writes these parts.
fn written(parts: impl Iterator<Item = TokenStream>) -> TokenStream {
    let its = its_parts();
    quote!(|#its| { #(#parts)* ::core::result::Result::Ok(()) })
}

fn part(value: &impl ToTokens, here: Span) -> TokenStream {
    let here = Span::call_site().located_at(here);
    let its = its_parts();
    quote_spanned!(here=> ::larder::__private::part(#its, &(#value))?;)
}

/// What the parts are written to. Its span keeps it apart from an argument of the same name.
fn its_parts() -> Ident {
    Ident::new("_parts", Span::mixed_site())
}

fn turbofish(function: &Function) -> TokenStream {
    let named: Vec<_> = function.parameters().map(name).collect();
    match named[..] {
        [] => TokenStream::new(),
        _ => quote!(::<#(#named),*>),
    }
}

/// By reference: only a call that runs the function may need to own its receiver.
pub(crate) fn by_reference(receiver: &Receiver) -> TokenStream {
    let token = receiver.self_token;
    match &receiver.kind {
        ReceiverKind::Reference(and, ..) => quote!(#and #token),
        _ => quote!(&#token),
    }
}

/// The function's own attributes, sorted by the emitted functions that get them.
pub(crate) struct Attributes<'a> {
    /// The function under its own name.
    pub(crate) outer: Vec<&'a Attribute>,
    /// Every one.
    pub(crate) all: Vec<&'a Attribute>,
    /// The one with the body.
    pub(crate) expected: Vec<&'a Attribute>,
    pub(crate) hidden: Option<&'a Attribute>,
}

impl<'a> Attributes<'a> {
    fn new(attrs: &'a [Attribute]) -> Self {
        let is =
            |attr: &Attribute, names: &[&str]| names.iter().any(|name| attr.path().is_ident(name));
        let (all, rest): (Vec<_>, Vec<_>) = attrs
            .iter()
            .partition(|attr| is(attr, &["allow", "warn", "deny", "forbid", "cfg"]));
        let (expected, outer) = rest.into_iter().partition(|attr| is(attr, &["expect"]));
        let hidden = |attr: &&Attribute| is(attr, &["doc"]) && mentions(attr, "hidden");
        Self {
            outer,
            all,
            expected,
            hidden: attrs.iter().find(hidden),
        }
    }

    /// The link from the function's page to its companions. A function without documentation gets
    /// none, so that `missing_docs` still counts.
    pub(crate) fn link(&self, ident: &Ident) -> Option<TokenStream> {
        self.outer.iter().find(|attr| attr.path().is_ident("doc"))?;
        let line = format!(
            "\n\nCached; its companions, such as `{ident}::invalidate`: [`{ident}`](struct@{ident})."
        );
        Some(quote!(#[doc = #line]))
    }
}
