// node js_waku.mjs MODULES: js-waku seals what it is told and opens what it is given.
// Reads one JSON text from stdin and writes one to stdout; bytes are hexadecimal. MODULES is the
// node_modules that @waku/message-encryption lies in.
import { pbkdf2Sync } from 'node:crypto'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const modules = resolve(process.argv[2])
const at = path => pathToFileURL(resolve(modules, path)).href
const { createEncoder, createDecoder } = await import(
  at('@waku/message-encryption/dist/symmetric.js')
)
const { messageHash } = await import(at('@waku/core/dist/lib/message_hash/index.js'))
const { keccak256 } = createRequire(at('x.js'))('js-sha3')

const bytes = hex => Uint8Array.from(Buffer.from(hex, 'hex'))
const hex = data => data && Buffer.from(data).toString('hex')

const { chatId, pubsubTopic, signer, seal, open } = JSON.parse(await text(process.stdin))
// Its own way to a chat's key and topic, by other libraries than ours.
const symKey = new Uint8Array(pbkdf2Sync(chatId, '', 65356, 32, 'sha256'))
const contentTopic = `/waku/1/0x${keccak256(chatId).slice(0, 8)}/rfc26`
const routingInfo = { pubsubTopic }

const sealed = []
for (const { data, isSigned } of seal) {
  const sigPrivKey = isSigned ? bytes(signer) : undefined
  const encoder = createEncoder({ contentTopic, routingInfo, symKey, sigPrivKey })
  const message = await encoder.toProtoObj({ payload: bytes(data) })
  sealed.push({
    payload: hex(message.payload),
    contentTopic: message.contentTopic,
    version: message.version,
    timestamp: String(message.timestamp),
    hash: hex(messageHash(pubsubTopic, message)),
    encoded: hex(await encoder.toWire({ payload: bytes(data) }))
  })
}

const opened = []
const decoder = createDecoder(contentTopic, routingInfo, symKey)
for (const encoded of open) {
  const message = await decoder.fromWireToProtoObj(bytes(encoded))
  const decoded = await decoder.fromProtoObj(pubsubTopic, message)
  opened.push(
    decoded && {
      data: hex(decoded.payload),
      sender: hex(decoded.signaturePublicKey),
      timestamp: String(message.timestamp),
      contentTopic: message.contentTopic,
      hash: decoded.hashStr
    }
  )
}
console.log(JSON.stringify({ contentTopic, sealed, opened }))
