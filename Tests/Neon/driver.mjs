// Speaks to POST /sql as `neon()` of @neondatabase/serverless 1.x does: its headers, the way in which node-postgres prepares
// parameters, its results and its error class. Written for these tests, which must run where no package can be fetched.

const errorFields = [
  "severity", "code", "detail", "hint", "position", "internalPosition", "internalQuery", "where", "schema", "table",
  "column", "dataType", "constraint", "file", "line", "routine",
];

export class NeonDbError extends Error {
  name = "NeonDbError";
}

// Values in PostgreSQL's text form: everything is a string or null.
function prepare(value) {
  if (value === null || value === undefined) return null;
  if (ArrayBuffer.isView(value)) return "\\x" + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
  if (value instanceof Date) return localTime(value);
  if (Array.isArray(value)) return arrayLiteral(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

function arrayLiteral(list) {
  const elements = list.map((element) => {
    if (element === null || element === undefined) return "NULL";
    if (Array.isArray(element)) return arrayLiteral(element);
    return '"' + prepare(element).replace(/["\\]/g, "\\$&") + '"';
  });
  return `{${elements.join(",")}}`;
}

function localTime(date) {
  const two = (number) => String(number).padStart(2, "0");
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.trunc(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
    + `T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
    + `.${String(date.getMilliseconds()).padStart(3, "0")}${zone}`;
}

// Some of node-postgres's parsers, by OID; what has none stays text.
const parsers = {
  16: (text) => text === "t", 17: (text) => Buffer.from(text.slice(2), "hex"), 21: Number, 23: Number, 26: Number,
  114: JSON.parse, 3802: JSON.parse, 700: Number, 701: Number, 1184: (text) => new Date(text.replace(" ", "T") + ":00"),
};

function processResult(raw, { arrayMode, fullResults }) {
  const rows = raw.rows.map((row) => {
    const values = row.map((text, index) =>
      text === null ? null : (parsers[raw.fields[index].dataTypeID] ?? String)(text));
    return arrayMode ? values : Object.fromEntries(values.map((value, index) => [raw.fields[index].name, value]));
  });
  return fullResults ? { ...raw, rows, rowAsArray: arrayMode } : rows;
}

// A query that runs when somebody waits for it.
class Query {
  constructor(run, data, options) {
    Object.assign(this, { run, data, options });
  }
  then(resolve, reject) {
    return this.run(this.data, this.options).then(resolve, reject);
  }
}

// `endpoint` is what `neonConfig.fetchEndpoint` is to the driver.
export function neon(connectionString, endpoint, defaults = {}) {
  async function execute(data, options = {}) {
    const headers = {
      "Neon-Connection-String": connectionString, "Neon-Raw-Text-Output": "true", "Neon-Array-Mode": "true",
    };
    const all = { arrayMode: false, fullResults: false, ...defaults, ...options };
    if (all.authToken !== undefined) headers.Authorization = `Bearer ${all.authToken}`;
    if (Array.isArray(data)) {
      if (all.isolationLevel !== undefined) headers["Neon-Batch-Isolation-Level"] = all.isolationLevel;
      if (all.readOnly !== undefined) headers["Neon-Batch-Read-Only"] = String(all.readOnly);
      if (all.deferrable !== undefined) headers["Neon-Batch-Deferrable"] = String(all.deferrable);
    }
    const body = ({ query, params }) => ({ query, params: params.map(prepare) });
    let response;
    try {
      response = await fetch(endpoint, {
        method: "POST", headers, ...all.fetchOptions,
        body: JSON.stringify(Array.isArray(data) ? { queries: data.map(body) } : body(data)),
      });
    } catch (cause) {
      throw Object.assign(new NeonDbError(`Error connecting to database: ${cause}`), { sourceError: cause });
    }
    if (response.ok) {
      const raw = await response.json();
      return Array.isArray(data) ? raw.results.map((result) => processResult(result, all)) : processResult(raw, all);
    }
    if (response.status !== 400) {
      throw new NeonDbError(`Server error (HTTP status ${response.status}): ${await response.text()}`);
    }
    const fields = await response.json();
    const error = new NeonDbError(fields.message);
    for (const name of errorFields) error[name] = fields[name] ?? undefined;
    throw error;
  }

  const sql = (strings, ...values) => {
    const query = strings.reduce((text, piece, index) =>
      `${text}$${index}${ArrayBuffer.isView(values[index - 1]) ? "::bytea" : ""}${piece}`);
    return new Query(execute, { query, params: values });
  };
  sql.query = (query, params = [], options) => new Query(execute, { query, params }, options);
  sql.transaction = (queries, options) => {
    const list = typeof queries === "function" ? queries(sql) : queries;
    return execute(list.map((query) => query.data), options);
  };
  return sql;
}
