/* test_drop_file.c -- what stands in the drop directory: written and read back, and what is not
 * taken. What other users can do to the directory: test/live/test_sendmail.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../src/app/drop_file.h"

static const struct {
    const char *shows, *header;
    unsigned recipients; /* 0: refused */
} cases[] = {
    {"all of it",
     "outpost-drop 1\nfrom a@b\nto c@d\nto \"e f\"@g\n8bit\nnotify NEVER\nret HDRS\nenvid x\n"
     "bytes 7\n",
     2},
    {"the null sender", "outpost-drop 1\nto c@d\nbytes 7\n", 1},
    {"nobody", "outpost-drop 1\nfrom a@b\nbytes 7\n", 0},
    {"another version", "outpost-drop 2\nto c@d\nbytes 7\n", 0},
    {"an unknown word", "outpost-drop 1\nto c@d\nbcc e@f\nbytes 7\n", 0},
    {"CR in an address", "outpost-drop 1\nto c@d\r\nbytes 7\n", 0},
    {"a way out of the command", "outpost-drop 1\nto c@d> NOTIFY=NEVER\nbytes 7\n", 0},
    {"a sender's", "outpost-drop 1\nfrom c@d> SIZE=1\nto c@d\nbytes 7\n", 0},
    {"a parameter's", "outpost-drop 1\nto c@d\nenvid x SIZE=1\nbytes 7\n", 0},
    {"no number", "outpost-drop 1\nto c@d\nbytes -7\n", 0},
    {"nothing", "", 0},
};

static void test_headers(void **state)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct handover_envelope e;
        struct fault why;
        uint64_t bytes;
        size_t n = strlen(cases[i].header);
        char *exact = mem_dup(cases[i].header, n);
        bool is_good = drop_file_parse(slice_of(exact, n), &e, &bytes, &why);
        if (is_good != (cases[i].recipients > 0) || e.recipient_count != cases[i].recipients)
            fail_msg("%s", cases[i].shows);
        assert_true(!is_good || bytes == 7);
        mem_free(e.recipient);
        for (size_t cut = 0; cut < n; cut++) {
            if (drop_file_parse(slice_of(exact, cut), &e, &bytes, &why))
                mem_free(e.recipient);
        }
        mem_free(exact);
    }
}

static int truncateat(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_TRUNC);
    return fd < 0 ? -1 : close(fd);
}

static void test_there_and_back(void **state)
{
    enum { PEOPLE = DROP_RECIPIENTS_MAX + 5 };
    char dir[] = "/tmp/drop-XXXXXX", address[PEOPLE][32];
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 01733), 0);
    struct handover_recipient who[PEOPLE] = {0};
    for (int i = 0; i < PEOPLE; i++) {
        snprintf(address[i], sizeof address[i], "user%d@sink.example", i);
        who[i].address = slice_cstr(address[i]);
    }
    who[3].is_taken = true; /* the relay has it: not stored again */
    const struct handover_envelope e = {.sender = SLICE("a@sender.example"),
                                        .recipient = who,
                                        .recipient_count = PEOPLE,
                                        .is_8bit = true,
                                        .notify = SLICE("NEVER"),
                                        .ret = SLICE("FULL"),
                                        .envid = SLICE("id")};
    const struct slice message = SLICE("Subject: x\r\n\r\n.\r\n");
    struct fault why = {0};
    assert_int_equal(drop_file_write(dir, &e, message, &why), ERR_OK);

    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    DIR *listing = opendir(dir);
    unsigned files = 0, people = 0;
    for (struct dirent *entry; (entry = readdir(listing));) {
        struct drop_file f;
        char text[64];
        size_t n = sizeof text;
        if (entry->d_name[0] == '.')
            continue;
        files++;
        assert_true(drop_name_is_good(entry->d_name));
        assert_int_equal(drop_file_open(&f, dir_fd, entry->d_name, 1000, &why), ERR_OK);
        assert_int_equal(f.owner, geteuid());
        assert_true(f.envelope.is_8bit && slice_eq(f.envelope.sender, e.sender));
        assert_true(slice_eq(f.envelope.notify, e.notify) && slice_eq(f.envelope.ret, e.ret));
        assert_true(slice_eq(f.envelope.envid, e.envid));
        people += f.envelope.recipient_count;
        for (unsigned i = 0; i < f.envelope.recipient_count; i++)
            assert_false(slice_eq(f.envelope.recipient[i].address, who[3].address));
        assert_true(drop_file_read(&f, 0, text, &n));
        assert_true(slice_eq(slice_of(text, n), message));
        n = sizeof text;
        assert_true(drop_file_read(&f, message.n, text, &n) && n == 0);
        /* Cut while it is read: no half message. */
        assert_int_equal(truncateat(dir_fd, entry->d_name), 0);
        n = sizeof text;
        assert_false(drop_file_read(&f, 0, text, &n));
        drop_file_close(&f);
        assert_int_equal(drop_file_open(&f, dir_fd, entry->d_name, 1000, &why), ERR_BAD);
        assert_int_equal(unlinkat(dir_fd, entry->d_name, 0), 0);
    }
    closedir(listing);
    close(dir_fd);
    assert_int_equal(files, 2);
    assert_int_equal(people, PEOPLE - 1);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(drop_file_write(dir, &e, message, &why), ERR_MISSING);
}

static void test_names(void **state)
{
    assert_true(drop_name_is_good("m0123456789abcdef0123456789abcdef"));
    assert_false(drop_name_is_good("m0123456789abcdef0123456789abcdeF"));
    assert_false(drop_name_is_good("m0123456789abcdef0123456789abcde"));
    assert_false(drop_name_is_good("m0123456789abcdef0123456789abcdef.bad"));
    assert_false(drop_name_is_good("tm0123456789abcdef0123456789abcde"));
    assert_false(drop_name_is_good(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
