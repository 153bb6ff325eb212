import Testing
import TransomService

@Suite struct NeonConnectionStringTests {
  @Test(arguments: [
    ("postgres://web:secret@host/db", "web", "secret", "db"),
    ("postgresql://web:secret@ep-x.eu.neon.tech:5432/db?sslmode=require", "web", "secret", "db"),
    ("postgresql://web@[::1]:1/default#f", "web", "", "default"),
    ("postgresql://we%40b:s%3Acr%2Ft@host/a%20b", "we@b", "s:cr/t", "a b"),
    ("postgresql://a:b:c@host/db", "a", "b:c", "db"),
    ("postgresql://a:p@ss@host/db", "a", "p@ss", "db"),
    ("postgresql://a:b+c@/db", "a", "b+c", "db"),
    ("postgresql://é:ü@host/ß", "é", "ü", "ß"),
  ])
  func `a connection string tells user, password and database, and nothing of its host`(
    _ text: String, _ user: String, _ password: String, _ database: String
  ) {
    let read = NeonConnectionString(text)
    #expect(read?.user == user && read?.password == password && read?.database == database)
  }

  @Test(arguments: [
    "", "postgres", "mysql://a:b@host/db", "POSTGRES://a:b@host/db", "postgresql:a:b@host/db",
    "postgresql://host/db", "postgresql://:b@host/db", "postgresql://a:b@host",
    "postgresql://a:b@host/",
    "postgresql://a:b@host?/db", "postgresql://a:b%@host/db", "postgresql://a:b%0a@host/db",
    "postgresql://a:b@host/%FF", "postgresql://a/b@c",
  ])
  func `what is no such URL is none`(_ text: String) {
    #expect(NeonConnectionString(text) == nil)
  }
}
