/* Tests of toml_scalar.c: booleans, numbers, dates and times. */
#include "toml_case.h"

static const struct toml_case numbers[] = {
    {"zero and signs", "a=[0,+0,-0,+7,-7,42]", "{a=[0 0 0 7 -7 42]}", 0, 0, NULL},
    {"the least and the most", "a=[-9223372036854775808,9223372036854775807]",
     "{a=[-9223372036854775808 9223372036854775807]}", 0, 0, NULL},
    {"underscore behind a prefix", "a=[1_000,1_2_3,0x_f]", NULL, 1, 18,
     "an underscore stands only between two digits"},
    {"underscores in each radix", "a=[1_000,0xdead_BEEF,0o7_5,0b1_0]", "{a=[1000 3735928559 61 2]}",
     0, 0, NULL},
    {"leading zeros behind a prefix", "a=[0x00ff,0o007,0b0]", "{a=[255 7 0]}", 0, 0, NULL},
    {"the most in hexadecimal", "a=0x7fffffffffffffff", "{a=9223372036854775807}", 0, 0, NULL},

    {"one over", "a=9223372036854775808", NULL, 1, 3,
     "9223372036854775808 does not fit into 64 bits"},
    {"one under", "a=-9223372036854775809", NULL, 1, 3,
     "-9223372036854775809 does not fit into 64 bits"},
    {"one over in hexadecimal", "a=0x8000000000000000", NULL, 1, 3,
     "0x8000000000000000 does not fit into 64 bits"},
    {"leading zero", "a=01", NULL, 1, 3, "a number has no leading zeros: put text in quotes"},
    {"leading zero of a float", "a=-01.5", NULL, 1, 3,
     "a number has no leading zeros: put text in quotes"},
    {"prefix alone", "a=0x", NULL, 1, 3, "'0x' is not a number: put text in quotes"},
    {"prefix in capitals", "a=0X1", NULL, 1, 3, "'0X1' is not a number: put text in quotes"},
    {"prefix behind a sign", "a=+0x1", NULL, 1, 3, "'+0x1' is not a number: put text in quotes"},
    {"a digit of another radix", "a=0b12", NULL, 1, 3,
     "'0b12' is not a number: put text in quotes"},
    {"sign alone", "a=-", NULL, 1, 3, "'-' is not a number: put text in quotes"},
    {"two signs", "a=--1", NULL, 1, 3, "'--1' is not a number: put text in quotes"},
    {"underscore first", "a=_1", NULL, 1, 3, "an underscore stands only between two digits"},
    {"underscore last", "a=1_", NULL, 1, 4, "an underscore stands only between two digits"},
    {"two underscores", "a=1__2", NULL, 1, 4, "an underscore stands only between two digits"},
    {"a duration without quotes", "a=30s", NULL, 1, 3, "'30s' is not a number: put text in quotes"},
    {"an address without quotes", "a=127.0.0.1", NULL, 1, 3,
     "'127.0.0.1' is not a number: put text in quotes"},

    {"floats", "a=[1.0,-0.5,6.626e-34,5E+2,1e06,0e0]",
     "{a=[f1 f-0.5 f6.6259999999999998e-34 f500 f1000000 f0]}", 0, 0, NULL},
    {"underscores in floats", "a=2_24.1_2e1_0", "{a=f2241200000000}", 0, 0, NULL},
    {"negative zero", "a=-0.0", "{a=f-0}", 0, 0, NULL},
    {"a float with very many digits",
     "a=0.1000000000000000055511151231257827021181583404541015625000000000000000000000000000000000",
     "{a=f0.10000000000000001}", 0, 0, NULL},
    {"too small for a double is zero", "a=1e-400", "{a=f0}", 0, 0, NULL},
    {"infinity", "a=[inf,+inf,-inf]", "{a=[finf finf f-inf]}", 0, 0, NULL},
    {"not a number", "a=[nan,+nan,-nan]", "{a=[fnan fnan fnan]}", 0, 0, NULL},
    {"too large for a double", "a=1e400", NULL, 1, 3, "1e400 is too large for a float"},
    {"no digit before the point", "a=.5", NULL, 1, 3, "'.5' is not a number: put text in quotes"},
    {"no digit behind the point", "a=5.", NULL, 1, 3, "'5.' is not a number: put text in quotes"},
    {"no digit between point and e", "a=5.e1", NULL, 1, 3,
     "'5.e1' is not a number: put text in quotes"},
    {"no exponent", "a=5e", NULL, 1, 3, "'5e' is not a number: put text in quotes"},
    {"a point in the exponent", "a=5e1.0", NULL, 1, 3,
     "'5e1.0' is not a number: put text in quotes"},
    {"underscore beside the point", "a=1_.5", NULL, 1, 4,
     "an underscore stands only between two digits"},
    {"inf in capitals", "a=Inf", NULL, 1, 3, "'Inf' is not a value: put text in quotes"},
};

static const struct toml_case booleans[] = {
    {"both", "a=true\nb=false", "{a=true b=false}", 0, 0, NULL},
    {"in capitals", "a=True", NULL, 1, 3, "'True' is not a value: booleans are true and false"},
    {"more than one", "a=truer", NULL, 1, 3, "'truer' is not a value: put text in quotes"},
    {"with a sign", "a=+true", NULL, 1, 3, "'+true' is not a value: put text in quotes"},
    {"yes", "a = yes", NULL, 1, 5, "'yes' is not a value: put text in quotes"},
};

static const struct toml_case times[] = {
    {"each kind",
     "a=1979-05-27T07:32:00Z\nb=1979-05-27T07:32:00.5\nc=1979-05-27\nd=07:32:00.000000001",
     "{a=1979-05-27T07:32:00.000000000+0min b=1979-05-27T07:32:00.500000000 c=1979-05-27 "
     "d=T07:32:00.000000001}",
     0, 0, NULL},
    {"a blank or small letters", "a=[1979-05-27 07:32:00z,1979-05-27t07:32:00 ,1979-05-27 ]",
     "{a=[1979-05-27T07:32:00.000000000+0min 1979-05-27T07:32:00.000000000 1979-05-27]}", 0, 0,
     NULL},
    {"offsets", "a=[1979-05-27T00:00:00-07:30,1979-05-27T00:00:00+23:59,1979-05-27T00:00:00-00:00]",
     "{a=[1979-05-27T00:00:00.000000000-450min 1979-05-27T00:00:00.000000000+1439min "
     "1979-05-27T00:00:00.000000000+0min]}",
     0, 0, NULL},
    {"digits past the ninth are cut off", "a=00:00:00.9999999999", "{a=T00:00:00.999999999}", 0, 0,
     NULL},
    {"a leap second", "a=23:59:60", "{a=T23:59:60.000000000}", 0, 0, NULL},
    {"the 29th of February", "a=[2000-02-29,2024-02-29,0000-02-29]",
     "{a=[2000-02-29 2024-02-29 0000-02-29]}", 0, 0, NULL},
    {"a comment behind a date", "a=1979-05-27 # 07:32:00", "{a=1979-05-27}", 0, 0, NULL},
    {"the last days", "a=[2023-01-31,2023-04-30,2023-12-31]",
     "{a=[2023-01-31 2023-04-30 2023-12-31]}", 0, 0, NULL},

    {"no leap year", "a=1900-02-29", NULL, 1, 3, "there is no day 29 in month 1900-02"},
    {"a day too many", "a=2023-04-31", NULL, 1, 3, "there is no day 31 in month 2023-04"},
    {"day zero", "a=2023-04-00", NULL, 1, 3, "there is no day 00 in month 2023-04"},
    {"month 13", "a=2023-13-01", NULL, 1, 3, "there is no month 13"},
    {"month zero", "a=2023-00-01", NULL, 1, 3, "there is no month 00"},
    {"hour 24", "a=2023-01-01T24:00:00Z", NULL, 1, 14, "there is no time 24:00:00"},
    {"minute 60", "a=00:60:00", NULL, 1, 3, "there is no time 00:60:00"},
    {"second 61", "a=00:00:61", NULL, 1, 3, "there is no time 00:00:61"},
    {"no seconds", "a=07:32", NULL, 1, 3, "a time is written HH:MM:SS"},
    {"one digit of hours", "a=7:32:00", NULL, 1, 3, "a time is written HH:MM:SS"},
    {"no digits behind the point", "a=07:32:00.", NULL, 1, 12,
     "digits are missing behind the point"},
    {"a local time has no offset", "a=07:32:00Z", NULL, 1, 11, "unexpected 'Z' behind the time"},
    {"a local date has no offset", "a=1979-05-27Z", NULL, 1, 13, "unexpected 'Z' behind the date"},
    {"a year of five digits", "a=11979-05-27", NULL, 1, 3, "a date is written YYYY-MM-DD"},
    {"a month of one digit", "a=1979-5-27", NULL, 1, 3, "a date is written YYYY-MM-DD"},
    {"T and nothing", "a=1979-05-27T", NULL, 1, 14, "a time is written HH:MM:SS"},
    {"two blanks", "a=1979-05-27  07:32:00", NULL, 1, 15,
     "expected the end of the line behind the value, found '0'"},
    {"offset without a colon", "a=1979-05-27T00:00:00+0730", NULL, 1, 22,
     "an offset is written +HH:MM or -HH:MM"},
    {"offset out of range", "a=1979-05-27T00:00:00+24:00", NULL, 1, 22,
     "there is no offset of 24:00"},
    {"offset of letters", "a=1979-05-27T00:00:00UTC", NULL, 1, 22,
     "a time ends with nothing, Z, +HH:MM or -HH:MM"},
    {"more behind the offset", "a=1979-05-27T00:00:00ZZ", NULL, 1, 23,
     "unexpected 'Z' behind the date"},
};

static void test_numbers(void **state)
{
    check_cases(numbers, COUNT_OF(numbers));
}

static void test_booleans(void **state)
{
    check_cases(booleans, COUNT_OF(booleans));
}

static void test_times(void **state)
{
    check_cases(times, COUNT_OF(times));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
