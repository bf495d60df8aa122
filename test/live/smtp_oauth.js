// A smarthost by nodemailer's smtp-server: STARTTLS, AUTH XOAUTH2 and nothing else. Which tokens are
// good stands in a file, one a line, read at every login. Says what happens, as JSON, on stdout.
'use strict';
const fs = require('fs');
const { SMTPServer } = require('smtp-server');

const e = process.env;
const say = (what) => fs.writeSync(1, JSON.stringify(what) + '\n');

const server = new SMTPServer({
  name: 'smart.example',
  key: fs.readFileSync(e.KEY),
  cert: fs.readFileSync(e.CERT),
  authMethods: ['XOAUTH2'],
  disableReverseLookup: true,
  onAuth(auth, session, done) {
    const good = fs.readFileSync(e.TOKENS, 'utf8').split('\n').filter(Boolean);
    const isGood = auth.username === e.USER_NAME && good.includes(auth.accessToken);
    say({ login: auth.username, token: auth.accessToken, good: isGood, tls: !!session.secure });
    if (isGood) return done(null, { user: auth.username });
    return done(null, { data: { status: '401', schemes: 'bearer', scope: 'mail' } });
  },
  onData(stream, session, done) {
    const pieces = [];
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => {
      say({ mail: Buffer.concat(pieces).toString(), user: session.user });
      done();
    });
  },
});
server.on('error', (error) => say({ error: error.message }));
server.listen(Number(e.PORT), e.HOST, () => say({ listens: true }));
