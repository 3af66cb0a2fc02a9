//! Interim macros.
#![allow(missing_docs, clippy::all, clippy::unwrap_used)]
use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as T2};
use quote::{format_ident, quote};
use syn::*;

#[proc_macro_derive(Entity, attributes(entity, state))]
pub fn derive(input: TokenStream) -> TokenStream {
    let s: ItemStruct = parse_macro_input!(input);
    let name = &s.ident;
    let p = quote!(::cluster::__private);
    let mut durable = false;
    let mut opts = quote!();
    for a in s.attrs.iter().filter(|a| a.path().is_ident("entity")) {
        a.parse_nested_meta(|m| {
            let k = m.path.get_ident().unwrap().to_string();
            match k.as_str() {
                "durable" => durable = true,
                "idle" => {
                    let v: LitStr = m.value()?.parse()?;
                    let d = dur(&v.value());
                    opts.extend(quote!(idle: Some(#d),));
                }
                "group" => {
                    let v: LitStr = m.value()?.parse()?;
                    opts.extend(quote!(group: Some(#v),));
                }
                "on_panic" => {
                    let v: LitStr = m.value()?.parse()?;
                    let v = if v.value() == "retry" { quote!(Retry) } else { quote!(Defect) };
                    opts.extend(quote!(on_panic: Some(#p::OnPanic::#v),));
                }
                _ => {
                    let id = format_ident!("{k}");
                    let v: LitInt = m.value()?.parse()?;
                    opts.extend(quote!(#id: Some(#v),));
                }
            }
            Ok(())
        })
        .unwrap();
    }
    let field = s.fields.iter().find(|f| f.attrs.iter().any(|a| a.path().is_ident("state")));
    let (ty, kind, get, set) = if durable {
        (quote!(Self), quote!(Whole), quote!(Some(self)), quote!(*self = state))
    } else if let Some(f) = field {
        let (t, i) = (&f.ty, &f.ident);
        (quote!(#t), quote!(Field), quote!(Some(&self.#i)), quote!(self.#i = state))
    } else {
        (quote!(#p::NoState), quote!(None), quote!(None), quote!(let _ = state))
    };
    quote! {
        impl #p::Entity for #name {
            type State = #ty;
            const STATE: #p::StateKind = #p::StateKind::#kind;
            const OPTIONS: #p::EntityOptions = #p::EntityOptions { #opts ..#p::EntityOptions::DEFAULT };
            fn state(&self) -> Option<&Self::State> { #get }
            fn set_state(&mut self, state: Self::State) { #set; }
        }
    }.into()
}

fn dur(s: &str) -> T2 {
    let at = s.find(|c: char| !c.is_ascii_digit()).unwrap();
    let n: u64 = s[..at].parse().unwrap();
    let ms = n * match &s[at..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => panic!(),
    };
    quote!(::core::time::Duration::from_millis(#ms))
}

fn pascal(s: &str) -> String {
    s.split('_').map(|w| w[..1].to_uppercase() + &w[1..]).collect()
}

struct Msg {
    info: T2,
    item: T2,
    client: T2,
    ty: Ident,
    ctor: Ident,
}

#[proc_macro_attribute]
pub fn entity(attr: TokenStream, item: TokenStream) -> TokenStream {
    let mut cname: Option<LitStr> = None;
    let parser = meta::parser(|m| {
        if m.path.is_ident("name") {
            cname = Some(m.value()?.parse()?);
        } else {
            let _: LitStr = m.value()?.parse()?;
        }
        Ok(())
    });
    parse_macro_input!(attr with parser);
    let item: Item = parse_macro_input!(item);
    let p = quote!(::cluster::__private);
    match item {
        Item::Impl(mut im) => {
            let self_ty = im.self_ty.clone();
            if let Some((path, _)) = im.trait_.clone() {
                return quote! { #im
                    impl #p::Contract for #self_ty { const NAME: &'static str = <dyn #path as #p::Contract>::NAME; type Client = <dyn #path as #p::Contract>::Client;
                        fn messages() -> &'static [&'static #p::MessageInfo] { <dyn #path as #p::Contract>::messages() }
                        fn schemas() -> ::core::result::Result<::std::vec::Vec<#p::MessageSchema>, #p::TraceError> { <dyn #path as #p::Contract>::schemas() } }
                    impl #p::Serves for #self_ty { type Contract = dyn #path; } }.into();
            }
            let Type::Path(tp) = &*self_ty else { panic!() };
            let base = tp.path.segments.last().unwrap().ident.clone();
            let mut msgs = vec![];
            let mut hooks = quote!();
            for it in &mut im.items {
                if let ImplItem::Fn(f) = it {
                    for h in ["activate", "deactivate"] {
                        if f.attrs.iter().any(|a| a.path().is_ident(h)) {
                            f.attrs.retain(|a| !a.path().is_ident(h));
                            let (n, c, hid) = (
                                &f.sig.ident,
                                format_ident!("{}S", h.to_uppercase()),
                                format_ident!("{h}"),
                            );
                            let arg = if f.sig.inputs.len() > 1 { quote!(ctx) } else { quote!() };
                            let aw =
                                if f.sig.asyncness.is_some() { quote!(.await) } else { quote!() };
                            hooks.extend(quote! { const #c: bool = true;
                                fn #hid<'a>(&'a mut self, ctx: &'a #p::Context) -> #p::BoxFuture<'a, ::core::result::Result<(), #p::Source>> {
                                    let _ = ctx; Box::pin(async move { match <#self_ty>::#n(self, #arg)#aw { Ok(()) => Ok(()), Err(e) => { let s: #p::Source = ::std::sync::Arc::new(e); Err(s) } } }) } });
                        }
                    }
                    if let Some(at) = f.attrs.iter().position(|a| a.path().is_ident("message")) {
                        let a = f.attrs.remove(at);
                        let fv = &f.vis;
                        let vis = quote!(#fv);
                        msgs.push(msg(&f.sig, &a, &base, quote!(#self_ty), msgs.len(), vis, None));
                    }
                }
            }
            let (infos, items, clients, tys, ctors): (Vec<_>, Vec<_>, Vec<_>, Vec<_>, Vec<_>) =
                msgs.into_iter().map(|m| (m.info, m.item, m.client, m.ty, m.ctor)).fold(
                    Default::default(),
                    |mut a: (Vec<_>, Vec<_>, Vec<_>, Vec<_>, Vec<_>), m| {
                        a.0.push(m.0);
                        a.1.push(m.1);
                        a.2.push(m.2);
                        a.3.push(m.3);
                        a.4.push(m.4);
                        a
                    },
                );
            let _ = infos;
            let client = format_ident!("{base}Client");
            let n = cname.map(|l| l.value()).unwrap_or(base.to_string());
            quote! { #im #(#items)*
                #[derive(Clone, Debug)] #[allow(dead_code, missing_docs)] pub struct #client { handle: #p::Handle }
                impl #p::Client for #client { fn new(handle: #p::Handle) -> Self { Self { handle } } fn handle(&self) -> &#p::Handle { &self.handle } }
                #[allow(private_interfaces, dead_code)] impl #client { #(#clients)* }
                impl #p::Contract for #self_ty { const NAME: &'static str = #n; type Client = #client;
                    fn messages() -> &'static [&'static #p::MessageInfo] { &[#(<#tys as #p::Message>::INFO),*] }
                    fn schemas() -> ::core::result::Result<::std::vec::Vec<#p::MessageSchema>, #p::TraceError> { Ok(vec![#(#p::MessageSchema::of::<#tys>()?),*]) } }
                impl #p::ServedBy<#self_ty> for #self_ty { fn table() -> &'static [#p::Method<#self_ty>] { const { &[#(#p::Method::#ctors::<#tys>()),*] } } }
                impl #p::Serves for #self_ty { type Contract = Self; #hooks }
            }.into()
        }
        Item::Trait(mut tr) => {
            let base = tr.ident.clone();
            let mut msgs = vec![];
            for it in &mut tr.items {
                if let TraitItem::Fn(f) = it {
                    let at = f.attrs.iter().position(|a| a.path().is_ident("message")).unwrap();
                    let a = f.attrs.remove(at);
                    msgs.push(msg(
                        &f.sig,
                        &a,
                        &base,
                        quote!(dyn #base),
                        msgs.len(),
                        quote!(pub),
                        Some(&base),
                    ));
                    if f.sig.asyncness.take().is_some() {
                        let out = match &f.sig.output {
                            ReturnType::Default => quote!(()),
                            ReturnType::Type(_, t) => quote!(#t),
                        };
                        f.sig.output =
                            parse_quote!(-> impl ::core::future::Future<Output = #out> + Send);
                    }
                    f.sig.generics.make_where_clause().predicates.push(parse_quote!(Self: Sized));
                }
            }
            tr.supertraits.push(parse_quote!(Send));
            tr.supertraits.push(parse_quote!(Sync));
            tr.supertraits
                .push(TypeParamBound::Lifetime(Lifetime::new("'static", Span::call_site())));
            if tr.colon_token.is_none() {
                tr.colon_token = Some(Default::default());
            }
            let items: Vec<_> = msgs.iter().map(|m| &m.item).collect();
            let clients: Vec<_> = msgs.iter().map(|m| &m.client).collect();
            let tys: Vec<_> = msgs.iter().map(|m| &m.ty).collect();
            let ctors: Vec<_> = msgs.iter().map(|m| &m.ctor).collect();
            let client = format_ident!("{base}Client");
            let n = cname.map(|l| l.value()).unwrap_or(base.to_string());
            quote! { #tr #(#items)*
                #[derive(Clone, Debug)] pub struct #client { handle: #p::Handle }
                impl #p::Client for #client { fn new(handle: #p::Handle) -> Self { Self { handle } } fn handle(&self) -> &#p::Handle { &self.handle } }
                impl #client { #(#clients)* }
                impl #p::Contract for dyn #base { const NAME: &'static str = #n; type Client = #client;
                    fn messages() -> &'static [&'static #p::MessageInfo] { &[#(<#tys as #p::Message>::INFO),*] }
                    fn schemas() -> ::core::result::Result<::std::vec::Vec<#p::MessageSchema>, #p::TraceError> { Ok(vec![#(#p::MessageSchema::of::<#tys>()?),*]) } }
                impl<T: #base + #p::Serves> #p::ServedBy<T> for dyn #base { fn table() -> &'static [#p::Method<T>] { const { &[#(#p::Method::#ctors::<#tys>()),*] } } }
            }.into()
        }
        _ => panic!("impl or trait"),
    }
}

fn msg(
    sig: &Signature,
    a: &Attribute,
    base: &Ident,
    contract: T2,
    index: usize,
    vis: T2,
    tr: Option<&Ident>,
) -> Msg {
    let p = quote!(::cluster::__private);
    let (mut persisted, mut unint, mut tx, mut txf) = (false, false, false, None::<Path>);
    let mut name = sig.ident.to_string();
    let mut timeout = quote!(None);
    let mut tag: Option<LitInt> = None;
    if let Meta::List(_) = &a.meta {
        a.parse_nested_meta(|m| {
            match m.path.get_ident().unwrap().to_string().as_str() {
                "persisted" => persisted = true,
                "uninterruptible" => unint = true,
                "transaction" => {
                    tx = true;
                    if m.input.peek(Token![=]) {
                        txf = Some(m.value()?.parse()?);
                    }
                }
                "name" => {
                    let v: LitStr = m.value()?.parse()?;
                    name = v.value();
                }
                "tag" => {
                    tag = Some(m.value()?.parse()?);
                }
                "timeout" => {
                    let v: LitStr = m.value()?.parse()?;
                    let d = dur(&v.value());
                    timeout = quote!(Some(#d));
                }
                k => panic!("{k}"),
            }
            Ok(())
        })
        .unwrap();
    }
    let FnArg::Receiver(r) = &sig.inputs[0] else { panic!() };
    let exclusive = matches!(r.kind, ReceiverKind::Reference(_, _, Some(_)));
    let (mut names, mut tys, mut pass, mut ctx) = (vec![], vec![], vec![], false);
    for i in sig.inputs.iter().skip(1) {
        let FnArg::Typed(t) = i else { panic!() };
        let is_ctx = matches!(&*t.ty, Type::Reference(r) if matches!(&*r.elem, Type::Path(p) if p.path.segments.last().unwrap().ident == "Context"));
        if is_ctx {
            ctx = true;
            pass.push(quote!(ctx));
        } else {
            let Pat::Ident(pi) = &*t.pat else { panic!() };
            let n = pi.ident.clone();
            pass.push(quote!(self.#n));
            names.push(n);
            tys.push((*t.ty).clone());
        }
    }
    let ret = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, t) => quote!(#t),
    };
    let outcome = match &sig.output {
        ReturnType::Type(_, t) => match &**t {
            Type::Path(tp)
                if tp.path.segments.last().unwrap().ident.to_string().ends_with("Result") =>
            {
                let s = ret.to_string();
                if s.contains("CallError") {
                    quote!(#p::Lifted<#ret>)
                } else {
                    quote!(#p::Fallible<#ret>)
                }
            }
            _ => quote!(#p::Plain<#ret>),
        },
        _ => quote!(#p::Plain<()>),
    };
    let f = &sig.ident;
    let ty = format_ident!("{base}{}", pascal(&f.to_string()));
    let asy = sig.asyncness.is_some();
    let (delivery, marker) = if persisted {
        (quote!(Persisted), quote!(Durable))
    } else {
        (quote!(Volatile), quote!(Volatile))
    };
    let access = if exclusive { quote!(Exclusive) } else { quote!(Shared) };
    let persisted_impl = if persisted { quote!(impl #p::Persisted for #ty {}) } else { quote!() };
    let strs: Vec<_> = names.iter().map(|n| n.to_string()).collect();
    let tag = match tag {
        Some(t) => quote!(#p::MessageTag::new(#t)),
        None => quote!(#p::MessageTag::of(#name)),
    };
    let txfn = if tx {
        let body = match &txf {
            Some(path) => quote!(#path(#(&self.#names),*)),
            None => quote!(true),
        };
        quote!(fn transaction(&self) -> bool { #body })
    } else {
        quote!()
    };
    let (tr_name, ctor) = match (exclusive, asy) {
        (true, true) => ("Exclusive", "exclusive"),
        (false, true) => ("Shared", "shared"),
        (true, false) => ("ExclusiveFn", "exclusive_fn"),
        (false, false) => ("SharedFn", "shared_fn"),
    };
    let (tr_name, ctor) = (format_ident!("{tr_name}"), format_ident!("{ctor}"));
    let m = if exclusive { quote!(mut) } else { quote!() };
    let (gen_, target) = match tr {
        Some(t) => (quote!(<T: #t + #p::Serves>), quote!(T)),
        None => (quote!(), contract.clone()),
    };
    let run = if asy {
        quote!(async fn run<'a>(self, entity: &'a #m #target, ctx: &'a #p::Context) -> #ret { let _ = ctx; <#target>::#f(entity, #(#pass),*).await })
    } else {
        let c = if ctx { quote!(let ctx = ctx.expect("declared");) } else { quote!(let _ = ctx;) };
        quote!(fn run(self, entity: &#m #target, ctx: Option<&#p::Context>) -> #ret { #c <#target>::#f(entity, #(#pass),*) })
    };
    let svis = vis.clone();
    let item = quote! {
        #[derive(#p::serde::Serialize, #p::serde::Deserialize)] #[serde(crate = "::cluster::__private::serde")] #[allow(missing_docs, dead_code, missing_debug_implementations)]
        #svis struct #ty { #(#names: #tys),* }
        impl #p::Message for #ty { type Contract = #contract; type Outcome = #outcome; type Delivery = #p::#marker;
            const INFO: &'static #p::MessageInfo = &#p::MessageInfo { name: #name, tag: #tag, index: #index, delivery: #p::Delivery::#delivery, access: #p::Access::#access, timeout: #timeout, uninterruptible: #unint, transaction: #tx, context: #ctx, arguments: &[#(#strs),*] };
            #txfn }
        #persisted_impl
        impl #gen_ #p::#tr_name<#target> for #ty { #run }
    };
    let client = quote!(#[allow(missing_docs)] #vis fn #f(&self, #(#names: #tys),*) -> #p::Call<#ty> { self.handle.call(#ty { #(#names),* }) });
    Msg { info: quote!(), item, client, ty, ctor }
}
