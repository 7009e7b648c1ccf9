// node webtorrent.js SOURCE FOLDER TRACKER PORT: downloads a .torrent file or a magnet link into the
// folder, and seeds it until it is ended. NODE_PATH leads to webtorrent.
'use strict'
const WebTorrent = require('webtorrent')

const [source, path, tracker, port] = process.argv.slice(2)
const client = new WebTorrent({ torrentPort: Number(port), dht: false, lsd: false, utp: false })
const torrent = client.add(source, { path, announce: [tracker] })

const since = Date.now()
const tell = (...words) => console.log(Date.now() - since, 'ms', ...words)
for (const event of ['metadata', 'ready', 'done']) torrent.on(event, () => tell(event))
torrent.on('wire', wire => tell('peer', wire.remoteAddress, wire.type))
torrent.on('warning', warning => tell(String(warning)))
client.on('error', error => {
  tell(String(error))
  process.exit(1)
})
process.on('SIGTERM', () => client.destroy(() => process.exit(0)))
