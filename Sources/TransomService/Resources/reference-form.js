// The form that tries an operation; what it uses besides is in reference.js.

// An answer is read to its end, which a stream's COMMIT waits for, but so much of it is shown.
const shownBytes = 256 * 1024;

function field(id, label, control, note) {
  control.id = id;
  if (note) control.setAttribute("aria-describedby", `${id}-note`);
  return element("div", { class: "field" }, element("label", { for: id }, label), control,
    note ? element("small", { id: `${id}-note` }, inline(note)) : null);
}

function parameterControl({ schema, required, example }) {
  const { enum: values, type, minimum, maximum } = resolve(schema);
  const shown = example ?? resolve(schema).examples?.[0] ?? resolve(schema).default;
  if (values) {
    return element("select", { required }, (required ? [] : [element("option", { value: "" }, "—")])
      .concat(values.map((value) => element("option", null, String(value)))));
  }
  return element("input", {
    type: type === "integer" || type === "number" ? "number" : "text", min: minimum, max: maximum, required,
    autocomplete: "off", spellcheck: "false", value: required && shown !== undefined ? String(shown) : undefined,
    placeholder: !required && shown !== undefined ? String(shown) : undefined,
  });
}

function tryForm(operation, body) {
  const { id } = operation;
  const controls = operation.parameters.map((parameter) => ({ parameter, control: parameterControl(parameter) }));
  const types = [...new Set(Object.entries(operation.responses ?? {}).filter(([status]) => /^2/.test(status))
    .flatMap(([, response]) => Object.keys(resolve(response).content ?? {})))];
  const accept = types.length > 1
    ? element("select", null, types.map((type) => element("option", null, type))) : null;
  const given = examples(body?.[1]);
  const area = body ? element("textarea", { spellcheck: "false", autocapitalize: "off", autocomplete: "off" }) : null;
  const fill = (value) => {
    area.value = text(value);
    area.rows = Math.min(24, area.value.split("\n").length + 1);
  };
  if (area && given.length) fill(given[0].value);
  const choice = given.length > 1
    ? element("select", { change: (event) => fill(given[event.target.value].value) },
      given.map(({ name }, index) => element("option", { value: index }, name)))
    : null;
  const status = element("p", { class: "status", role: "status" });
  const result = element("div");
  const send = element("button", { type: "submit" }, "Send");
  const cancel = element("button", { type: "button", disabled: true, click: () => form.running?.abort() }, "Cancel");
  const copy = element("button", { type: "button", click: copyCommand }, "Copy as curl");

  function request() {
    let path = operation.path;
    const query = new URLSearchParams();
    const headers = {};
    for (const { parameter, control } of controls) {
      if (control.value === "") continue;
      if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(control.value));
      if (parameter.in === "query") query.set(parameter.name, control.value);
      if (parameter.in === "header") headers[parameter.name] = control.value;
    }
    const key = document.getElementById("key").value.trim();
    if (key && operation.takesKey) headers.Authorization = `Bearer ${key}`;
    if (accept) headers.Accept = accept.value;
    const content = area?.value.trim() ? area.value : undefined;
    const method = operation.method.toUpperCase();
    // Of a page, the service takes nothing that changes something without this, as another site's page needs leave for it.
    if (content) headers["Content-Type"] = body[0];
    else if (!["GET", "HEAD"].includes(method)) headers["Content-Type"] = "application/json";
    const url = new URL(path.slice(1) + (query.size ? `?${query}` : ""), new URL(".", location.href));
    return { url, headers, content, method };
  }

  async function copyCommand() {
    const { url, headers, content, method } = request();
    const quote = (part) => `'${part.replaceAll("'", "'\\''")}'`;
    const words = ["curl", method === "HEAD" ? "--head" : `-X ${method}`, quote(url.href)]
      .concat(Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`))
      .concat(content ? [`--data-raw ${quote(content)}`] : []);
    const command = words.join(" ");
    try {
      await navigator.clipboard.writeText(command);
      say("Copied.");
    } catch {
      // Without TLS, a page of another machine may not use the clipboard.
      result.replaceChildren(listing(command, "curl command"));
      say("Here it is:");
    }
  }

  function say(message, kind = "") {
    status.className = `status ${kind}`;
    status.textContent = message;
  }

  async function submit(event) {
    event.preventDefault();
    if (form.running) return;
    const { url, headers, content, method } = request();
    form.running = new AbortController();
    send.disabled = true;
    cancel.disabled = false;
    result.replaceChildren();
    say("Sent…");
    const start = performance.now();
    try {
      const response = await fetch(url, {
        method, headers, body: content, signal: form.running.signal, credentials: "omit", cache: "no-store",
      });
      const { shown, count } = await read(response);
      const milliseconds = (performance.now() - start).toFixed(1);
      say(`${response.status} ${response.statusText}`.trim() + `, ${count} bytes, ${milliseconds} ms`,
        response.ok ? "good" : "bad");
      const fields = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      const isJSON = /[/+]json\b/.test(response.headers.get("content-type") ?? "");
      result.append(...[
        shown ? listing(isJSON ? indent(shown) : shown, "Body of the answer") : null,
        count > shownBytes ? element("p", { class: "quiet" }, `The first ${shownBytes} bytes are shown.`) : null,
        element("details", null, element("summary", null, "Fields of the answer"), listing(fields, "Fields of the answer")),
      ].filter(Boolean));
    } catch (error) {
      say(error.name === "AbortError" ? "Cancelled." : `No answer: ${error.message}`, "bad");
    } finally {
      form.running = null;
      send.disabled = false;
      cancel.disabled = true;
    }
  }

  const form = element("form", { class: "try", "aria-label": `Try ${operation.method.toUpperCase()} ${operation.path}`, submit },
    element("h4", null, "Try it"),
    controls.map(({ parameter, control }, index) => field(`${id}-p${index}`,
      [code(parameter.name), parameter.required ? badge() : null], control,
      parameter.in === "path" ? undefined : parameter.description?.split(/\n\s*\n/)[0])),
    accept ? field(`${id}-accept`, "Answer as", accept) : null,
    choice ? field(`${id}-example`, "Example", choice) : null,
    area ? field(`${id}-body`, "Body", area, "Ctrl+Enter sends.") : null,
    element("div", { class: "buttons" }, send, cancel, copy), status, result);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return form;
}

async function read(response) {
  const decoder = new TextDecoder();
  let shown = "";
  let count = 0;
  for (const reader = response.body?.getReader(); reader;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (count < shownBytes) shown += decoder.decode(value.subarray(0, shownBytes - count), { stream: true });
    count += value.length;
  }
  return { shown, count };
}

// Sets JSON on lines, token by token: numbers keep all their digits, which JSON.parse would not.
function indent(json) {
  let depth = 0;
  const line = () => "\n" + "  ".repeat(Math.max(depth, 0));
  return (json.match(/"(?:[^"\\]|\\.)*"?|[[{]\s*[\]}]|[[\]{},:]|[^\s[\]{},:"]+/g) ?? []).map((token) => {
    if (token === "{" || token === "[") return depth++, token + line();
    if (token === "}" || token === "]") return depth--, line() + token;
    if (token === ",") return token + line();
    return token === ":" ? ": " : token;
  }).join("");
}
