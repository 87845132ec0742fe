// Where a copy of the suite keeps what: the package has everything in one folder, the repository of today has its engine in another.

import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

export function open (folder) {
  const root = path.resolve(folder)
  const engine = fs.existsSync(path.join(root, 'test-engine')) ? path.join(root, 'test-engine') : root
  const load = file => import(pathToFileURL(file).href)
  return {
    engine: name => load(path.join(engine, name)),
    tests: async () => {
      const { default: suites } = await load(path.join(root, 'tests/index.mjs'))
      // In the package, this one is beside the index; its own command line adds it too.
      const apart = path.join(root, 'tests/surrogate-control.mjs')
      if (fs.existsSync(apart)) {
        const { default: surrogate } = await load(apart)
        if (!suites.includes(surrogate)) suites.push(surrogate)
      }
      return suites
    },
    // The newer engine asks for responses as browsers do; the older one wants the library that it names.
    fetch: engine === root ? createRequire(path.join(root, 'package.json'))('node-fetch') : globalThis.fetch
  }
}
