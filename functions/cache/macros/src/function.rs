//! The function under the attribute: what it must be, and its parts.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Error, FnArg, GenericArgument, GenericParam, Ident, ItemFn, Pat, PatType, PathArguments,
    Result, ReturnType, Type, spanned::Spanned,
};

use crate::args::Args;

pub(crate) struct Function {
    pub(crate) item: ItemFn,
    pub(crate) inputs: Vec<Input>,
    pub(crate) output: Type,
}

pub(crate) struct Input {
    pub(crate) typed: PatType,
    pub(crate) name: Ident,
    pub(crate) skipped: bool,
}

impl Function {
    pub(crate) fn parse(args: &Args, item: TokenStream) -> Result<Self> {
        let item: ItemFn = syn::parse2(item)?;
        let signature = &item.sig;
        if signature.asyncness.is_none() {
            return Err(Error::new(
                signature.fn_token.span(),
                "only an async fn can be cached: add `async`",
            ));
        }
        if let syn::Safety::Unsafe(unsafety) = &signature.safety {
            return Err(Error::new(
                unsafety.span(),
                "an unsafe fn can not be cached",
            ));
        }
        let inputs = inputs(&item, args)?;
        check_generics(&item, args)?;
        let output = output(&item)?;
        Ok(Self {
            item,
            inputs,
            output,
        })
    }

    /// Type and const parameters, whose instantiations must not share an entry.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &GenericParam> {
        let generic = |param: &&GenericParam| !matches!(param, GenericParam::Lifetime(_));
        self.item.sig.generics.params.iter().filter(generic)
    }

    /// Whether the return type depends on a type or const parameter, so that no constant can be computed from it.
    pub(crate) fn output_names_a_parameter(&self) -> bool {
        let names: Vec<_> = self.parameters().map(name).collect();
        let output = &self.output;
        mentions(quote::quote!(#output), &names)
    }
}

fn name(param: &GenericParam) -> &Ident {
    match param {
        GenericParam::Type(param) => &param.ident,
        GenericParam::Const(param) => &param.ident,
        GenericParam::Lifetime(param) => &param.lifetime.ident,
    }
}

fn mentions(tokens: TokenStream, names: &[&Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => names.iter().any(|name| ident == **name),
        TokenTree::Group(group) => mentions(group.stream(), names),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn inputs(item: &ItemFn, args: &Args) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for input in &item.sig.inputs {
        let typed = match input {
            FnArg::Typed(typed) => typed,
            FnArg::Receiver(receiver) => {
                let problem = "a method can not be cached: give the free function what it needs of `self`, and skip the rest";
                return Err(Error::new(receiver.span(), problem));
            }
        };
        let Pat::Ident(name) = &*typed.pat else {
            let problem =
                "an argument of a cached function needs a plain name: take it apart in the body";
            return Err(Error::new(typed.pat.span(), problem));
        };
        if let Type::ImplTrait(ty) = &*typed.ty {
            let problem =
                "`impl Trait` hides which type it is: write a type parameter, and give `key`";
            return Err(Error::new(ty.span(), problem));
        }
        let skipped = args.skip.contains(&name.ident);
        inputs.push(Input {
            typed: typed.clone(),
            name: name.ident.clone(),
            skipped,
        });
    }
    for skip in &args.skip {
        if !inputs.iter().any(|input| input.name == *skip) {
            return Err(Error::new(
                skip.span(),
                format!("there is no argument `{skip}` to skip"),
            ));
        }
    }
    Ok(inputs)
}

fn check_generics(item: &ItemFn, args: &Args) -> Result<()> {
    let generic = item
        .sig
        .generics
        .params
        .iter()
        .find(|p| !matches!(p, GenericParam::Lifetime(_)));
    match generic {
        Some(param) if args.key.is_none() => {
            let problem = "a generic function needs `key = …`: say which arguments make up its key";
            Err(Error::new(param.span(), problem))
        }
        _ => Ok(()),
    }
}

fn output(item: &ItemFn) -> Result<Type> {
    let ReturnType::Type(_, output) = &item.sig.output else {
        return Err(Error::new(
            item.sig.ident.span(),
            "a function that returns nothing has nothing to cache",
        ));
    };
    if let Type::ImplTrait(_) = **output {
        return Err(Error::new(
            output.span(),
            "`impl Trait` can not be read back from a cache: name the type",
        ));
    }
    if let Type::Path(path) = &**output {
        let bare = path
            .path
            .get_ident()
            .is_some_and(|name| is_parameter(item, name));
        let of_parameter = path.path.segments.len() > 1
            && path
                .path
                .segments
                .first()
                .is_some_and(|first| is_parameter(item, &first.ident));
        if bare || path.qself.is_some() || of_parameter {
            let problem = "this may be a `Result`, and its errors would be cached: write `Result<…>` or a concrete type";
            return Err(Error::new(output.span(), problem));
        }
    }
    Ok((**output).clone())
}

fn is_parameter(item: &ItemFn, name: &Ident) -> bool {
    item.sig
        .generics
        .type_params()
        .any(|param| param.ident == *name)
}

/// For a generic function, whose types can not be asked in a constant: whether the return type is written as a `Result`.
pub(crate) fn is_written_as_result(output: &Type) -> bool {
    let Type::Path(path) = output else {
        return false;
    };
    let Some(last) = path.path.segments.last() else {
        return false;
    };
    let has_types = matches!(&last.arguments, PathArguments::AngleBracketed(inside)
        if inside.args.iter().any(|arg| matches!(arg, GenericArgument::Type(_))));
    last.ident == "Result" && has_types
}
