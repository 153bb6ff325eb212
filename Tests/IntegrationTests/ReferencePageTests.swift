import Testing
import TransomCluster

/// The script of the page at /docs, as far as it works without a browser. `make page` tries all of it in one.
@Suite(.timeLimit(.minutes(2))) struct ReferencePageTests {
  private static let resources = "\(PythonEnvironment.root)/Sources/TransomService/Resources"

  @Test func `JSON is set on lines without the loss of a digit, a character or an order`()
    async throws
  {
    let script = #"""
      const source = require("fs").readFileSync(process.argv[1], "utf8");
      const indent = new Function(source + "; return indent")();
      const texts = [
        '{}', '[]', '[ ]', 'null', '"a"', '1', '{"a":1}', '[1,[2,[]],{"b":{}}]', '{"a":"{[,:]}"}',
        '{"quote":"\\"","backslash":"\\\\","text":"a \\\\\\" , b"}', '[true,false,null,-1.5e+10]',
        '{"é":"😀","empty":"","list":[{"a":[1,2]},{"b":[]}]}',
      ];
      for (const text of texts) {
        const lines = indent(text);
        if (JSON.stringify(JSON.parse(lines)) !== JSON.stringify(JSON.parse(text))) throw new Error(`${text}\n${lines}`);
      }
      const number = "12345678901234567890.100";
      const expected = `{\n  "n": ${number},\n  "rows": [\n    {\n      "a": 1\n    }\n  ]\n}`;
      if (indent(`{"n":${number},"rows":[{"a":1}]}`) !== expected) throw new Error(indent(`{"n":${number}}`));
      // An answer that was cut is shown as far as it goes.
      for (const cut of ['{"a":"b', '{"a":[1,', '{"a"']) if (!indent(cut).startsWith("{\n")) throw new Error(cut);
      """#
    let outcome = try await Command(
      "/usr/bin/env", ["node", "-e", script, "\(Self.resources)/reference-form.js"]
    ).run()
    #expect(outcome.succeeded, "\(outcome.text)")
  }

  @Test func `the script is a module that can be read`() async throws {
    let script = """
      file=$(mktemp --suffix=.mjs) && trap 'rm "$file"' EXIT
      cat "$0"/reference-form.js "$0"/reference.js >"$file" && node --check "$file"
      """
    let outcome = try await Command("/bin/sh", ["-c", script, Self.resources]).run()
    #expect(outcome.succeeded, "\(outcome.text)")
  }
}
