// Shows the OpenAPI document that is served beside this page, and sends what is tried to the same service.
// All text of the document goes into text nodes: none of it is ever read as HTML. `tryForm` is in reference-form.js, which
// stands in the same script.

const methods = ["get", "post", "put", "patch", "delete", "head"];
let root;

// MARK: Elements

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key, value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null));
  return made;
}

const badge = () => element("span", { class: "badge" }, " required");
const code = (text) => element("code", null, text);

// What can scroll can be reached by the keyboard.
const listing = (text, label) =>
  element("pre", { tabindex: "0", role: "group", "aria-label": label }, text);

// The Markdown that the document uses: paragraphs, lists, `code`, **strong**, [links](…).
function markdown(text) {
  return (text ?? "").trim().split(/\n\s*\n/).filter(Boolean).map((block) => {
    const items = block.split(/\n?^\s*[*-] /m).slice(1);
    if (items.length) return element("ul", null, items.map((item) => element("li", null, inline(item))));
    return element("p", null, inline(block));
  });
}

function inline(text) {
  const parts = text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/);
  return parts.map((part) => {
    if (/^`.+`$/s.test(part)) return code(part.slice(1, -1));
    if (/^\*\*.+\*\*$/s.test(part)) return element("strong", null, part.slice(2, -2));
    const link = part.match(/^\[(.+)\]\((\S+)\)$/s);
    if (link && /^(https?:|#|[\w./-]+$)/.test(link[2])) return element("a", { href: link[2] }, link[1]);
    return part;
  });
}

// A path that breaks after a slash, if it must.
const breakable = (path) => path.split(/(?<=\/)/).flatMap((segment) => [segment, element("wbr")]);

// MARK: The document

// Follows references; what stands beside one counts more than what it leads to.
function resolve(value) {
  const { $ref: reference, ...beside } = value ?? {};
  if (!reference) return value ?? {};
  const tokens = reference.replace(/^#\//, "").split("/");
  const found = tokens.reduce(
    (part, token) => part?.[token.replaceAll("~1", "/").replaceAll("~0", "~")], root);
  return { ...resolve(found), ...beside };
}

const referenceName = (schema) => schema?.$ref?.split("/").pop();

function typeText(schema) {
  const name = referenceName(schema);
  const { type, items, oneOf, anyOf, const: constant, enum: values, format } = resolve(schema);
  if (constant !== undefined) return JSON.stringify(constant);
  if (values) return values.map((value) => JSON.stringify(value)).join(" | ");
  if (type === "array" && items) return `array of ${typeText(items)}`;
  if (name) return name;
  const several = oneOf ?? anyOf;
  if (several) return several.map(typeText).join(" | ");
  const text = [type ?? "any"].flat().join(" | ");
  return format ? `${text} (${format})` : text;
}

function limits(schema) {
  const names = ["default", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"];
  return names.filter((name) => schema[name] !== undefined)
    .map((name) => `${name} ${JSON.stringify(schema[name])}`).join(", ");
}

// The parts of a schema, each with a name: properties, elements, alternatives. `path` holds the references that lead here.
function parts(schema, path) {
  const found = resolve(schema);
  const name = referenceName(schema);
  if (name && path.includes(name)) return null;
  const next = name ? [...path, name] : path;
  const required = found.required ?? [];
  const rows = Object.entries(found.properties ?? {}).map(
    ([key, value]) => part(code(key), value, required.includes(key), next));
  for (const several of [found.oneOf, found.anyOf, found.allOf]) {
    for (const one of several ?? []) rows.push(part(null, one, false, next));
  }
  if (found.items) rows.push(...(parts(found.items, next) ?? []));
  if (found.additionalProperties?.type || found.additionalProperties?.$ref) {
    rows.push(part("any other name", found.additionalProperties, false, next));
  }
  return rows.length ? rows : null;
}

function part(name, schema, isRequired, path, isOpen = false) {
  const found = resolve(schema);
  const inner = parts(schema, path);
  const limit = limits(found);
  const head = [
    name, name ? " " : null, element("span", { class: "quiet mono" }, typeText(schema)),
    isRequired ? badge() : null];
  if (!inner) return element("li", null, head, describe(found, limit));
  return element("li", null, element("details", { open: isOpen }, element("summary", null, head),
    describe(found, limit), element("ul", { class: "fields" }, inner)));
}

const describe = (schema, limit) =>
  [markdown(schema.description), limit ? element("p", { class: "quiet mono" }, limit) : null];

// A value that the schema allows, where the document has no example.
function sample(schema, depth = 0) {
  const found = resolve(schema);
  const given = found.example ?? found.examples?.[0] ?? found.default ?? found.const ?? found.enum?.[0];
  if (given !== undefined) return given;
  const several = found.oneOf ?? found.anyOf;
  if (several) return sample(several[0], depth + 1);
  const type = [found.type ?? (found.properties ? "object" : "string")].flat()[0];
  if (type === "array") return depth > 4 || !found.items ? [] : [sample(found.items, depth + 1)];
  if (type === "object") {
    const names = found.required ?? Object.keys(found.properties ?? {});
    return Object.fromEntries(names.map((name) => [name, sample(found.properties?.[name], depth + 1)]));
  }
  return { integer: found.minimum ?? 1, number: 1, boolean: true, null: null }[type] ?? "text";
}

const text = (value) => (typeof value === "string" ? value : pretty(value));

// JSON, in which what fits on a line is on one.
function pretty(value, margin = "") {
  if (value === null || typeof value !== "object" || JSON.isRawJSON?.(value)) return JSON.stringify(value);
  const inner = margin + "  ";
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const members = Array.isArray(value)
    ? value.map((element) => pretty(element, inner))
    : Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}: ${pretty(member, inner)}`);
  const line = open + members.join(", ") + close;
  if (margin.length + line.length <= 76 && !line.includes("\n")) return line;
  return `${open}\n${inner}${members.join(`,\n${inner}`)}\n${margin}${close}`;
}

// [{name, value}] of a media type.
function examples(media) {
  const named = Object.entries(media?.examples ?? {}).map(([name, example]) => {
    const { summary, value } = resolve(example);
    return { name: summary ?? name, value };
  });
  if (named.length || !media) return named;
  if (media.example !== undefined) return [{ name: "example", value: media.example }];
  return media.schema ? [{ name: "example", value: sample(media.schema) }] : [];
}

// MARK: An operation

function operationSection(operation) {
  const { id, method, path } = operation;
  const body = Object.entries(resolve(operation.requestBody).content ?? {})[0];
  return element("section", { class: "operation", id, "aria-labelledby": `${id}-name` },
    element("h3", { id: `${id}-name` },
      element("span", { class: `method ${method}` }, method.toUpperCase()), " ",
      element("a", { href: `#${id}` }, code(path))),
    element("div", null,
      element("p", { class: "summary" }, inline(operation.summary ?? "")),
      markdown(operation.description),
      operation.parameters.length
        ? [element("h4", null, "Parameters"), element("ul", { class: "fields" }, operation.parameters.map(parameterPart))]
        : null,
      body
        ? [element("h4", null, "Body ", element("span", { class: "quiet mono" }, body[0])),
          element("ul", { class: "fields" }, part(null, body[1].schema, resolve(operation.requestBody).required, [], true))]
        : null,
      element("h4", null, "Answers"),
      Object.entries(operation.responses ?? {}).map(([status, response]) => answer(status, resolve(response)))),
    tryForm(operation, body));
}

function parameterPart({ name, in: place, schema, description, required }) {
  const found = resolve(schema);
  return part([code(name), ` in ${place}`], { ...found, description: description ?? found.description }, required, []);
}

function answer(status, response) {
  const [first, ...rest] = markdown(response.description);
  return element("details", { class: "answer" },
    element("summary", null, element("strong", null, status), " ", first ? [...first.childNodes] : null),
    element("div", null, rest,
      Object.entries(response.headers ?? {}).map(([name, header]) => element("p", null,
        code(name), " ", inline(resolve(header).description ?? ""))),
      Object.entries(response.content ?? {}).map(([type, media]) => [
        element("p", { class: "quiet mono" }, type),
        media.schema ? element("ul", { class: "fields" }, part(null, media.schema, false, [])) : null,
        (media.examples || media.example !== undefined ? examples(media) : []).map(({ name, value }) =>
          [element("p", { class: "quiet" }, name), listing(text(value), `Example: ${name}`)]),
      ])));
}

// MARK: The page

function operations() {
  return Object.entries(root.paths ?? {}).flatMap(([path, item]) => methods.filter((method) => item[method]).map((method) => {
    const operation = item[method];
    const own = (operation.parameters ?? []).map(resolve);
    const shared = (item.parameters ?? []).map(resolve)
      .filter((one) => !own.some((other) => other.name === one.name && other.in === one.in));
    return {
      ...operation, method, path, parameters: [...shared, ...own],
      id: operation.operationId ?? `${method}${path.replaceAll(/\W+/g, "-")}`,
      tag: operation.tags?.[0] ?? "other", takesKey: (operation.security ?? root.security ?? []).length > 0,
    };
  }));
}

function show() {
  const all = operations();
  const known = (root.tags ?? []).map((tag) => tag.name);
  const tags = [...new Set([...known, ...all.map((operation) => operation.tag)])]
    .filter((tag) => all.some((operation) => operation.tag === tag));
  document.title = `${root.info.title} API reference`;
  document.getElementById("title").textContent = `${root.info.title} ${root.info.version}`;
  document.getElementById("summary").replaceChildren(root.info.summary ?? "", " ",
    element("a", { href: "openapi.yaml" }, "openapi.yaml"), " ", element("a", { href: "openapi.json" }, "openapi.json"));
  document.querySelector("nav").append(...tags.flatMap((tag) => [
    element("p", { id: `nav-${tag}` }, tag),
    element("ul", { "aria-labelledby": `nav-${tag}` }, all.filter((operation) => operation.tag === tag).map(
      ({ id, method, path }) => element("li", null, element("a", { href: `#${id}` },
        element("span", { class: `method ${method}` }, method.toUpperCase()), element("span", null, breakable(path))))))]));
  document.getElementById("main").replaceChildren(...markdown(root.info.description), ...tags.flatMap((tag) => [
    element("h2", { id: `tag-${tag}` }, tag),
    ...markdown(root.tags?.find((one) => one.name === tag)?.description),
    ...all.filter((operation) => operation.tag === tag).map(operationSection)]));
  // It was not there yet when the browser looked for it.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

const wide = matchMedia("(min-width: 60rem)");
const contents = document.getElementById("contents");
contents.open = wide.matches;
wide.addEventListener("change", () => { contents.open = wide.matches; });

try {
  const response = await fetch("openapi.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`openapi.json: ${response.status} ${response.statusText}`);
  // Where the browser tells the source of a number, an example's 12.50 stays so.
  root = JSON.parse(await response.text(), (key, value, context) =>
    typeof value === "number" && context?.source !== undefined && context.source !== String(value) && JSON.rawJSON
      ? JSON.rawJSON(context.source) : value);
  show();
} catch (error) {
  document.getElementById("loading").textContent = `The document cannot be shown: ${error.message}`;
  throw error;
}
