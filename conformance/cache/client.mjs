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

// What the cache says of itself (RFC 9211), by test: it tells why, where the suite only tells that.
const said = new Map()
async function fetch (url, init) {
  const response = await suite.fetch(url, init)
  const [, id] = init?.headers?.find?.(([name]) => name === 'Test-ID') ?? []
  const status = response.headers.get('cache-status')
  if (id !== undefined && status !== null) said.set(id, [...(said.get(id) ?? []), status])
  return response
}

await runTests(chosen, fetch, false, base, Number(sideBySide))

const results = getResults()

function describe (id) {
  const [kind, message] = results[id].map(String)
  return [kind, said.has(id) ? `${message}; ${said.get(id).join(', then ')}` : message]
}

const tests = chosen.flatMap(part => part.tests.filter(test => test.id in results).map(test => ({
  suite: part.id,
  title: part.name,
  id: test.id,
  name: test.name,
  kind: test.kind ?? 'required',
  depends_on: test.depends_on ?? [],
  // `true`, or the kind of error and its message.
  error: results[test.id] === true ? null : describe(test.id)
})))
process.stdout.write(JSON.stringify(tests))
