// The suite's client: `node client.mjs SUITE BASE_URL SIDE_BY_SIDE [TEST...]`. Prints what each test is, and how it went, as JSON.

import { Console } from 'node:console'
import process from 'node:process'

import { open } from './suite.mjs'

const [folder, base, sideBySide, ...only] = process.argv.slice(2)
// What the suite says goes to standard error, so that standard output is the result alone.
globalThis.console = new Console(process.stderr)

const suite = open(folder)
const { runTests, getResults } = await suite.engine('client/runner.mjs')
const all = await suite.tests()
const chosen = all.map(part => ({
  ...part,
  tests: part.tests.filter(test => only.length === 0 || only.includes(test.id))
}))

await runTests(chosen, suite.fetch, false, base, Number(sideBySide))

const results = getResults()
const tests = chosen.flatMap(part => part.tests.filter(test => test.id in results).map(test => ({
  suite: part.id,
  title: part.name,
  id: test.id,
  name: test.name,
  kind: test.kind ?? 'required',
  depends_on: test.depends_on ?? [],
  // `true`, or the kind of error and its message.
  error: results[test.id] === true ? null : results[test.id].map(String)
})))
process.stdout.write(JSON.stringify(tests))
