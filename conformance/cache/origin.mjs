// The suite's origin, on loopback alone: `node origin.mjs SUITE PORT`. Its own server listens on every address.

import http from 'node:http'
import process from 'node:process'

import { open } from './suite.mjs'

const [folder, port] = process.argv.slice(2)
const suite = open(folder)
const handlers = new Map()
for (const name of ['config', 'test', 'state']) {
  handlers.set(name, (await suite.engine(`server/handle-${name}.mjs`)).default)
}

const server = http.createServer((request, response) => {
  const [, kind, ...segments] = new URL(request.url, 'http://localhost/').pathname.split('/')
  const handle = handlers.get(kind)
  if (handle === undefined) {
    response.writeHead(404).end()
    return
  }
  handle(segments, request, response)
})
// A cache keeps connections to its origin; one that ends just as it is used again would look like a failure of the cache.
server.keepAliveTimeout = 60_000
server.listen(Number(port), '127.0.0.1', () => console.log('ready'))
