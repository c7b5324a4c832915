// The verbs of keys through the binary, in pipes.

import Foundation
import Testing

@Suite("Keys") struct KeyCommandTests {
    @Test func encryptedInPipes() throws {
        let place = try Place(vault: false)
        #expect(try place.run("init", "v").status == 0)
        let script = """
            set -e; cd "$HOME"
            "$BINARY" key create --alias alias/a > a; b=$("$BINARY" key create)
            printf 'a\\0secret' | "$BINARY" key encrypt --key alias/a --context purpose=test --context b=2 > blob
            printf 'a\\0secret' > plain
            "$BINARY" key decrypt --context b=2 --context purpose=test < blob | cmp - plain
            base64 blob | "$BINARY" key re-encrypt --base64 --to $b --context purpose=test --context b=2 --to-context c=3 > again
            "$BINARY" key decrypt --base64 --key $b --context c=3 --in again --out out && cmp out plain
            "$BINARY" key generate-data-key --key alias/a --spec AES_128 --plaintext-out key --ciphertext-out wrapped
            "$BINARY" key decrypt --in wrapped | cmp - key
            umask 0; : > open; exec 3< open; "$BINARY" key decrypt --in wrapped --out open; cat <&3; "$BINARY" key decrypt --in wrapped --out /dev/stdout | cmp - key
            head -c 4096 /dev/zero > most; "$BINARY" key encrypt --key $b --in most | "$BINARY" key decrypt | cmp - most
            stat -c '%a %s' out key open
            "$BINARY" key random --bytes 24 | wc -c
            """
        let done = try place.shell(script)
        #expect(done.status == 0 && done.output == "600 8\n600 16\n600 16\n24\n", "\(done.output)\(done.errors)")
        // Refused uses are audited: the keystore is not the same afterwards.
        let withoutContext = try place.run("key", "decrypt", "--in", "blob", "--out", "never")
        #expect(withoutContext.status == (try code("ciphertextRefused")) && withoutContext.errors.contains("--context"), "\(withoutContext.errors)")
        #expect(try place.run("audit", "list", "--operation", "Decrypt").output.contains("InvalidCiphertextException"))
        #expect(!FileManager.default.fileExists(atPath: place.path + "/never"))
        let underAnother = try place.shell("cd $HOME; $BINARY key decrypt --base64 --in again --key $(cat a) --context c=3")
        #expect(underAnother.status == (try code("ciphertextRefused")) && underAnother.errors.contains("another key"), "\(underAnother.errors)")
        try expectRefusal(place, "usage", saying: ["4096"]) { try place.shell("head -c 4097 /dev/zero | $BINARY key encrypt --key alias/a") }
        try expectRefusal(place, "usage", saying: ["empty"]) { try place.run("key", "encrypt", "--key", "alias/a") }
        try expectRefusal(place, "usage", saying: ["standard input"]) { try place.run("key", "encrypt", "--key", "alias/a", "--passphrase-file", "-") }
        try expectRefusal(place, "usage", saying: ["1024"]) { try place.run("key", "random", "--bytes", "1025") }
        let dry = try place.run("key", "disable", "--dry-run", "alias/a")
        #expect(dry.status == 0 && dry.errors.contains("nothing was changed"))
        #expect(try place.shell("$BINARY key describe alias/a | grep ^state").output.contains("Enabled"))
    }

    @Test func materialOfOnesOwn() throws {
        let place = try Place(vault: false)
        #expect(try place.run("init", "v").status == 0)
        let done = try place.shell(
            """
            set -e; cd "$HOME"
            k=$("$BINARY" key create --origin external --alias alias/mine)
            "$BINARY" key import-parameters $k --wrapping-key-spec RSA_2048 --public-key-out public --token-out token
            head -c 32 /dev/urandom > material
            openssl pkeyutl -encrypt -pubin -inkey public -keyform DER -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -in material | "$BINARY" key import $k --token-file token
            echo x | "$BINARY" key encrypt --key $k > blob
            "$BINARY" key delete-material $k
            "$BINARY" key decrypt --in blob || echo refused $?
            "$BINARY" key describe $k | grep ^state
            """)
        let refused = try code("keyUnusable")
        #expect(done.status == 0 && done.output == "refused \(refused)\nstate        PendingImport\n", "\(done.output)\(done.errors)")
    }

    /// A mount soon sees what is done to its key, and opens nothing more.
    @Test func aMountSeesADisabledKey() throws {
        let place = try Place()
        #expect(try place.run("mount", place.vault, place.mount).status == 0)
        let done = try place.shell(
            """
            cd "$HOME"; echo text > mount/file; sync mount/file
            k=$("$BINARY" key list | cut -d' ' -f1); "$BINARY" key disable $k
            timeout 60 sh -c 'until ! cat mount/file > seen; do sleep 0.1; done' && echo refused
            "$BINARY" key enable $k
            timeout 60 sh -c 'until cat mount/file > seen; do sleep 0.1; done' && cat seen
            """)
        #expect(done.output == "refused\ntext\n", "\(done.output)\(done.errors)")
        #expect(try place.run("unmount", place.mount).status == 0)
    }
}
