//! `impl Serves for Account`: whose contract it serves, and its life-cycle hooks.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::hygiene::{local, located};
use crate::model::{Hook, Serving};

pub(super) fn serves(serving: &Serving) -> TokenStream {
    let Serving { root, entity, contract, hooks } = serving;
    let (contract, marker) = match contract {
        Some(contract) => {
            let dynamic = quote_spanned!(located(contract.span())=> dyn);
            let marker = quote! {
                #[doc(hidden)]
                impl #root::ServesTrait for #entity {}
            };
            (quote!(#dynamic #contract), Some(marker))
        }
        None => (quote!(#entity), None),
    };
    let hooks = [("activate", &hooks.activate), ("deactivate", &hooks.deactivate)];
    let hooks = hooks.into_iter().filter_map(|(name, hook)| {
        hook.as_ref().map(|hook| one(serving, format_ident!("{name}"), hook))
    });
    quote! {
        #[doc(hidden)]
        impl #root::Serves for #entity {
            type Contract = #contract;
            #(#hooks)*
        }

        #marker
    }
}

fn one(serving: &Serving, name: Ident, hook: &Hook) -> TokenStream {
    let Serving { root, entity, .. } = serving;
    let constant = format_ident!("{}S", name.to_string().to_uppercase());
    let (method, ctx) = (&hook.method, local("ctx"));
    let given = hook.takes_context.then(|| quote!(, #ctx));
    let wait = hook.is_async.then(|| quote!(.await));
    // What keeps the hook from being sent, or its result from being told, is shown at its name.
    let at = method.span();
    let there = root.at(at);
    let result = quote_spanned!(located(at)=> #there::HookResult::into_result);
    let body = quote_spanned! {located(at)=>
        ::std::boxed::Box::pin(async move { #result(<#entity>::#method(self #given) #wait) })
    };
    quote! {
        const #constant: bool = true;

        fn #name<'a>(
            &'a mut self,
            #ctx: &'a #root::Context,
        ) -> #root::BoxFuture<'a, ::core::result::Result<(), #root::Source>> {
            #body
        }
    }
}
